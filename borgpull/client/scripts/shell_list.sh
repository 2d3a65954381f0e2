# borgpull shell reader: lists by find, whose words follow the reader's name. At the end: find's errors, and its exit code.
export LC_ALL=C TZ=UTC0
reader=$1
shift
exec 3>&1
printf '\nborgpull-list\n'
if [ "$reader" = find ]; then
  said=$( { find "$@" -printf '%D %i %m %n %U %G %s %T@ %C@ %y\0%p\0%l\0' >&3; echo "code $?"; } 2>&1 | tail -c 1000000 )
  printf '\0%s\0' "$said"
else
  # No path has two slashes in a row, so they begin a record, whatever is in a name.
  # This find does not say that its program was killed. So it counts its names itself, and each shell tells its own count.
  each='stat -c "//%s %d %i %f %h %u %g %t %T|%y|%z|%n" "$@" >&3; c=$?; [ $c -le 1 ] || echo "stat ended with $c" >&2
    printf "//=%s\n" $# >&3'
  said=$( { { find "$@" -exec sh -c "$each" sh {} + -print0; echo "code $?" >&2; } |
    { names=$(tr -dc '\0' | wc -c); echo "names $names" >&2; }; } 2>&1 | tail -c 1000000 )
  printf '//\n%s\n//' "$said"
fi
