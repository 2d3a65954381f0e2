# borgpull cleanup: after `set -- ID KEEP` and the script `kill`, with its `ours`; for a setup that was interrupted.
#
# Removes what that setup has made, and ends its processes. With KEEP, a kept runtime and borg's cache stay.
id=$1 keep=$2
PATH=$PATH:/usr/local/bin:/usr/bin:/bin
end "$id"
for base in /var/cache "${XDG_CACHE_HOME:-$HOME/.cache}" "${TMPDIR:-/tmp}" /tmp /var/tmp /dev/shm /run; do
  folder=$base/borgpull-$id
  ours "$folder" || continue
  if [ "$keep" = yes ] && { [ -d "$folder/runtime" ] || [ -d "$folder/home" ]; }; then
    (cd "$folder" && rm -rf ./*.sock in.* out.* key known_hosts run rsh tool probe home.new runtime.new)
  else
    rm -rf "$folder"
  fi
done
