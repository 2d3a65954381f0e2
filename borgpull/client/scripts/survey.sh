#!/bin/sh
# borgpull survey: tells what a folder of this machine is, and which of the asked names are in it.
# Standard input has a line with the folder, then names below it, each ended by NUL. It answers lines
# `borgpull-WORD TEXT`. Then each batch of names has a line of 1 and 0 (there or not), and stat's lines
# for those that are there. `owners` adds the owners' names. With `verify`, a batch has `=` and the
# number of its names, and stat's lines for all; or, after `!`, the lines as above. `make` makes the
# folder, and writes to it for a moment. `remove` removes the names.
IFS= read -r folder
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C
say() { printf 'borgpull-%s %s\n' "$1" "$2"; }

if [ "$1" = make ]; then
  # Only a test file shows if the folder can be written: `test -w` does not see behind SFTP.
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
say disk "$(stat -f -c %T "$near")"
[ -d "$folder" ] && cd "$folder" || { say names; exit 0; }
for entry in * .*; do
  case $entry in . | .. | lost+found) continue ;; esac
  ! [ -e "$entry" ] && ! [ -L "$entry" ] || { say holds something; break; }
done
say names
[ "$1" != remove ] || exec xargs -0 -r -n 400 rm -f --
# stat looks up each owner's name anew, which takes most of its time.
owner=/
[ "$1" != owners ] || owner=%U/%G
# After a restore all names should be there: one stat asks for all. If it fails, each is looked at.
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
case $there in *0*) exec 2>/dev/null ;; esac # stat complains about missing names
case $there in *1*) tell "$@" ;; esac' "$owner"
