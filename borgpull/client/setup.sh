# borgpull setup: after `set -- ID KEEP RUNTIME BORG [PATH…]` and the script `look`; answers as that does.
#
# Readies the one folder that is ours: 0700, named by a random ID that only this server and this client
# have. What a killed run has left in it is ended first. Plain POSIX sh, as `look`.
id=$1 keep=$2 runtime=$3
shift 4
umask 077

count=0
for path; do
  count=$((count + 1))
  [ -e "$path" ] || [ -L "$path" ] || say missing "$count"
done

if [ "$keep" = yes ]; then # what is to last over a restart
  set -- /var/cache "${XDG_CACHE_HOME:-$HOME/.cache}" /var/tmp
else
  set -- "${TMPDIR:-/tmp}" /tmp /var/tmp /dev/shm /run "${XDG_CACHE_HOME:-$HOME/.cache}"
fi

# good FOLDER: may programs run in it, and is there room for a runtime and a cache?
good() {
  if [ "$runtime" = yes ]; then
    printf '#!/bin/sh\nexit 0\n' >"$1/probe" 2>/dev/null && chmod 700 "$1/probe" || return 1
    "$1/probe" </dev/null 2>/dev/null
    code=$?
    rm -f "$1/probe"
    [ "$code" = 0 ] || return 1
    [ -e "$1/runtime/MANIFEST" ] && return 0
    room=$(df -Pk "$1" 2>/dev/null | tail -n 1 | { read -r _ _ _ free _; echo "$free"; })
    case $room in '' | *[!0-9]*) ;; *) [ "$room" -gt 70000 ] || return 1 ;; esac
  fi
  : >"$1/run" 2>/dev/null
}

end "$id"
chosen=
for base in /var/cache "$@"; do # /var/cache: a kept one is found without --keep-runtime too
  folder=$base/borgpull-$id
  { [ "$folder" != "$chosen" ] && ours "$folder"; } || continue
  rm -rf "$folder"/*.sock "$folder"/in.* "$folder"/out.* "$folder/runtime.new" "$folder/home.new" "$folder/key" \
    "$folder"/home/cache/*/lock.* # of a borg that is dead: it would be waited for, in vain
  if [ -z "$chosen" ] && good "$folder"; then chosen=$folder; else rm -rf "$folder"; fi
done
for base; do
  [ -z "$chosen" ] || break
  folder=$base/borgpull-$id
  [ "$keep" != yes ] || mkdir -p "$base" 2>/dev/null
  mkdir "$folder" 2>/dev/null || continue
  if good "$folder"; then chosen=$folder; else rm -rf "$folder"; fi
done
[ -n "$chosen" ] || { say nowhere "$*"; exit 0; }
say folder "$chosen"
[ -d "$chosen/home/cache" ] && say cache yes
if [ -e "$chosen/runtime/MANIFEST" ]; then
  (cd "$chosen/runtime" && sha256sum -c MANIFEST >/dev/null 2>&1) \
    && say runtime "$(sha256sum <"$chosen/runtime/MANIFEST" | cut -d ' ' -f 1)"
fi
