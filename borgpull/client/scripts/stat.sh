# borgpull stat: `ask PATH...` answers a line for each path: mtime and ctime, or a dash if it is gone. The answer is
# `?` for a path that stat fails for, and for all paths without a known stat (busybox may have none).
exec 2>/dev/null
LC_ALL=C
export LC_ALL
tell() { stat -c '%Y %Z' -- "$@"; }
stat -c %Y / >/dev/null || tell() { stat -f '%m %c' -- "$@"; } # BSD
gone() {
  ! [ -e "$1" ] && ! [ -L "$1" ] || return
  case $(ls -d -- "$1" 2>&1 >/dev/null) in
    *': No such file or directory' | *': Not a directory') ;;
    *) false ;;
  esac
}
ask() {
  found=$(tell "$@") && { echo "$found"; return; }
  for path in "$@"; do
    if found=$(tell "$path"); then echo "$found"; elif gone "$path"; then echo -; else echo '?'; fi
  done
}
echo
echo borgpull-times
