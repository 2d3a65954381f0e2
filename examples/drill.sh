#!/bin/sh
# drill.sh CLIENT [OPTION…]: drills a restore in a container without a network. The reports are in the folder
# drill-report afterwards, whatever the outcome. The exit code is the drill's.
set -eu
: "${BORGPULL_REPO:?the folder of the repositories}"
: "${BORGPULL_STATE:?the folder of the state}"
: "${BORGPULL_PASSPHRASE_FILE:?the file with the passphrase}"
mkdir -p drill-report
code=0
# What a drill needs, and no more: `borgpull drill` gives its container the same.
docker run --rm --network none --stop-timeout 15 --read-only --tmpfs /tmp \
  --security-opt no-new-privileges --security-opt label=disable --cap-drop ALL \
  --cap-add CHOWN --cap-add DAC_OVERRIDE --cap-add FOWNER --cap-add FSETID --cap-add MKNOD \
  --cap-add SETFCAP --cap-add SETGID --cap-add SETUID --cap-add SYS_CHROOT --cap-add KILL \
  -v "$BORGPULL_REPO:/repo:ro" -v "$BORGPULL_STATE:/state" -v /scratch \
  -v "$BORGPULL_PASSPHRASE_FILE:/run/secrets/passphrase:ro" -v "$PWD/drill-report:/report" \
  "${BORGPULL_IMAGE:-borgpull}" drill "$@" --report /report || code=$?
if [ -n "${GITHUB_STEP_SUMMARY:-}" ] && [ -f drill-report/summary.md ]; then
  cat drill-report/summary.md >>"$GITHUB_STEP_SUMMARY"
fi
exit "$code"
