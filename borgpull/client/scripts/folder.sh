# borgpull folder: makes our folder where there is room for it. Comes after `probe`, with $id, $keep, $runtime
# (must our programs run there?), $borg and $cache (kilobytes for borg's cache). Sets $chosen.
programs=66000 # kilobytes of the runtime, unpacked, and a little more
bases=$(
  if [ "$keep" = yes ]; then # folders that last over a restart
    printf '%s\n' /var/cache "${XDG_CACHE_HOME:-$HOME/.cache}" /var/tmp
  else
    printf '%s\n' "${TMPDIR:-/tmp}" /tmp /var/tmp /dev/shm /run "${XDG_CACHE_HOME:-$HOME/.cache}"
  fi
)

# room FOLDER: sets $free to the free kilobytes there; to a large number if df does not tell.
room() {
  free=$(df -Pk "$1" 2>/dev/null | tail -n 1 | { read -r _ _ _ free _; echo "$free"; })
  case $free in '' | *[!0-9]*) free=999999999 ;; esac
}

# good FOLDER: does all fit in it? If not, sets $why; sets $bare if all but our programs fits.
good() {
  why=closed bare=
  room "$1"
  if ! { : >"$1/run" && printf '#!/bin/sh\nexit 0\n' >"$1/probe"; } 2>/dev/null; then
    [ "$free" -gt "$cache" ] || why=full
    return 1
  fi
  chmod 700 "$1/probe"
  "$1/probe" </dev/null 2>/dev/null
  code=$?
  rm -f "$1/probe"
  [ "$free" -gt "$cache" ] || { why=full; return 1; }
  [ "$runtime" = yes ] || return 0
  bare=yes
  [ "$code" = 0 ] || { why=noexec; return 1; }
  [ ! -e "$1/runtime/MANIFEST" ] || return 0
  [ "$free" -gt $((programs + cache)) ] || { why=full; return 1; }
}

# choose: makes the folder if none was found. The last choice is a folder that cannot hold our programs: it
# is good enough if this machine has a borg of its own.
choose() {
  spare=
  while IFS= read -r base; do
    [ -z "$chosen" ] || break
    folder=$base/borgpull-$id
    [ "$keep" != yes ] || mkdir -p "$base" 2>/dev/null
    [ -d "$base" ] && [ ${#base} -le 80 ] || continue
    case $base in *[!A-Za-z0-9._/+-]*) continue ;; esac # the server would not take it
    why=closed
    room "$base"
    if ! mkdir "$folder" 2>/dev/null; then
      [ ! -w "$base" ] || [ -e "$folder" ] || why=full
      say refused "$why $free $base"
    elif good "$folder"; then
      chosen=$folder
    else
      say refused "$why $free $base"
      if [ -n "$bare" ] && [ -z "$spare" ] && [ -n "$borg" ]; then spare=$folder; else rm -rf "$folder"; fi
    fi
  done <<BORGPULL-BASES
$bases
BORGPULL-BASES
  [ -n "$spare" ] || return 0
  if [ -n "$chosen" ]; then rm -rf "$spare"; else chosen=$spare; say bare yes; fi
}
