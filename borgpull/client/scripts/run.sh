#!/bin/sh
# borgpull run: borg on this machine. Standard input has two lines: the passphrase, and borg's words
# quoted for this shell. Neither is in an argument list or environment of this script.
#
# With `channel`, the rest of standard input and output is borg's own protocol, which `rsh` beside
# this script connects to borg. Else the input is a lifeline: its end says that the server is gone.
# The protocol follows the line `borgpull-begin`, because a login shell's profile may print text first.
folder=${0%/*}
# borg writes a message for each small file. The program that passes it on would take the CPU from
# borg each time. As a batch process (sched(7)), it gets several messages at once, when borg waits.
chrt -b -p 0 $$ >/dev/null 2>&1
IFS= read -r passphrase
IFS= read -r words
nl='
'
exec 3<&0 4>&1 </dev/null
eval "set -- $words"
way=$1 BORG_RSH=$2
shift 2
umask 077
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd / || exit 1
# By the folder in the environment, `end` finds all processes that are started here.
export PATH BORG_RSH LC_ALL=C.UTF-8 TZ=UTC TMPDIR="$folder"
export BORG_BASE_DIR="$folder/home" BORG_CACHE_DIR="$folder/home/cache"
export BORG_CONFIG_DIR="$folder/home/config" BORG_SECURITY_DIR="$folder/home/security"
export BORG_EXIT_CODES=modern BORG_DISPLAY_PASSPHRASE=no
export BORG_RELOCATED_REPO_ACCESS_IS_OK=yes BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
echo # a profile's greeting may have no newline at its end
if [ "$way" = channel ]; then
  echo borgpull-begin
  exec 1>&2 # standard output is for the protocol only
  BORGPULL_IN=/proc/$$/fd/3 BORGPULL_OUT=/proc/$$/fd/4
  if ! [ -p "$BORGPULL_IN" ] || ! [ -p "$BORGPULL_OUT" ]; then # sockets cannot be opened anew
    BORGPULL_IN=$folder/in.$$ BORGPULL_OUT=$folder/out.$$
    mkfifo "$BORGPULL_IN" "$BORGPULL_OUT" || exit 1
    cat <&3 >"$BORGPULL_IN" 2>/dev/null 4>&- &
    cat <"$BORGPULL_OUT" >&4 2>/dev/null &
  fi
  export BORGPULL_IN BORGPULL_OUT
fi
[ -z "$passphrase" ] || export BORG_PASSPHRASE_FD=5
printf '%s\n' "$passphrase" | "$@" 5<&0 </dev/null &
child=$!
passphrase=
trap 'kill "$child" 2>/dev/null' TERM HUP INT
guard=
if [ "$way" != channel ]; then
  # It must not hold ssh's output open: the connection would wait for it.
  { cat <&3 >/dev/null; kill "$child"; } >/dev/null 2>&1 4>&- &
  guard=$!
fi
wait "$child"
code=$?
while [ "$code" -gt 128 ] && kill -0 "$child" 2>/dev/null; do
  wait "$child"
  code=$?
done
[ -z "$guard" ] || kill "$guard" 2>/dev/null
exit "$code"
