#!/bin/sh
# drill.sh CLIENT [OPTION…]: drills a restore in a container without a network. The reports are in the folder
# drill-report afterwards, whatever the outcome. The exit code is the drill's.
set -eu
: "${BORGPULL_REPO:?the folder of the repositories}"
: "${BORGPULL_STATE:?the folder of the state}"
: "${BORGPULL_PASSPHRASE_FILE:?the file with the passphrase}"
mkdir -p drill-report
code=0
docker run --rm --network none \
  -v "$BORGPULL_REPO:/repo:ro" -v "$BORGPULL_STATE:/state" -v /scratch \
  -v "$BORGPULL_PASSPHRASE_FILE:/run/secrets/passphrase:ro" -v "$PWD/drill-report:/report" \
  "${BORGPULL_IMAGE:-borgpull}" drill "$@" --report /report || code=$?
if [ -n "${GITHUB_STEP_SUMMARY:-}" ] && [ -f drill-report/summary.md ]; then
  cat drill-report/summary.md >>"$GITHUB_STEP_SUMMARY"
fi
exit "$code"
