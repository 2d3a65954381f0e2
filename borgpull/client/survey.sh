#!/bin/sh
# borgpull survey: what a folder of this machine is, and what is in it of the names that are asked.
# On standard input comes a line with the folder, then names below it, each ended by NUL. Answers
# lines `borgpull-WORD TEXT`; then, for each batch of names, a line of 1 and 0 (there or not) and
# what stat says of those that are there; with `owners`, by name too. With `verify`, `=` and how many
# the batch has, and what stat says of all; or, after `!`, as above. With `make`, the folder is made,
# and written to for a moment; with `remove`, the names are removed.
IFS= read -r folder
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C
say() { printf 'borgpull-%s %s\n' "$1" "$2"; }

if [ "$1" = make ]; then
  # Only writing shows whether one may: `test -w` does not know what is behind SFTP.
  mkdir -p -- "$folder" && mkdir "$folder/.borgpull-$$" && rmdir "$folder/.borgpull-$$" || exit 1
fi
echo # a profile's greeting may have no newline at its end
say user "$(id -u) $(id -un 2>/dev/null)"
while read -r word rest; do
  [ "$word" != CapEff: ] || say capabilities "$rest"
done </proc/self/status 2>/dev/null
near=$folder
while ! [ -e "$near" ] && ! [ -L "$near" ]; do
  near=${near%/*}
  near=${near:-/}
done
if [ "$near" != "$folder" ]; then say state missing; elif [ -d "$near" ]; then say state folder; else say state file; fi
[ -d "$near" ] && [ -w "$near" ] && say writable yes
say free "$(stat -f -c '%a %S %c %d' "$near")"
[ -d "$folder" ] && cd "$folder" || { say names; exit 0; }
for entry in * .*; do
  case $entry in . | .. | lost+found) continue ;; esac
  ! [ -e "$entry" ] && ! [ -L "$entry" ] || { say holds something; break; }
done
say names
[ "$1" != remove ] || exec xargs -0 -r -n 400 rm -f --
# stat looks up the names of each owner anew, and that takes most of its time.
owner=/
[ "$1" != owners ] || owner=%U/%G
# After a restore all should be there: one stat for all, and only if it fails a look at each.
# shellcheck disable=SC2016 # the inner shell's variables
case $1 in verify) all='echo "=$#"; tell "$@" 2>/dev/null && exit; echo !' ;; *) all= ;; esac
# shellcheck disable=SC2016
exec xargs -0 -r -n 2000 sh -c '
tell() { stat -c "%f %s %Y %u %g %d:%i $owner" -- "$@"; }
owner=$0
'"$all"'
there=
for path; do
  if [ -e "$path" ] || [ -L "$path" ]; then there=${there}1; else there=${there}0; fi
done
echo "$there"
case $there in *0*) exec 2>/dev/null ;; esac # stat names those that are not there
case $there in *1*) tell "$@" ;; esac' "$owner"
