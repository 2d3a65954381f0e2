#!/bin/sh
# borgpull tool: what is done with the folder that this script lies in. Simple words only come as
# arguments, so that every login shell passes them on alike.
folder=${0%/*}
umask 077
PATH=$PATH:/usr/local/bin:/usr/bin:/bin
cd "$folder" || exit 1
case $1 in
keep | leave) end "${folder##*borgpull-}" ;;
*) export BORGPULL_FOLDER="$folder/" ;; # by which those who come after find what hangs
esac
case $1 in
unpack) # unpack HASH PROGRAM…: the runtime comes as a tar; it counts once every file was checked
  hash=$2
  shift 2
  set -e
  rm -rf runtime runtime.new
  mkdir runtime.new
  cd runtime.new
  "$@" | tar -xf -
  [ "$(sha256sum <MANIFEST | cut -d ' ' -f 1)" = "$hash" ]
  sha256sum -c MANIFEST >/dev/null
  cd ..
  mv runtime.new runtime
  ;;
take) # borg's cache comes, as it went: after whatever this user's profile prints
  while IFS= read -r line && [ "$line" != borgpull-begin ]; do :; done
  # Whole or not at all: borg dies of one that is cut short. A tar may end well between two files,
  # so that the last one counts.
  rm -rf home.new
  mkdir home.new && tar -xf - -C home.new && rm home.new/zz-whole && rm -rf home && exec mv home.new home
  rm -rf home.new
  exit 1
  ;;
give) # borg's cache goes
  cd home && : >zz-whole && printf '\nborgpull-begin\n' && tar -cf - [!z]* zz-whole
  ;;
put) cat >"$2.new" && chmod 600 "$2.new" && mv "$2.new" "$2" ;;
keep) rm -rf ./*.sock in.* out.* key known_hosts run rsh tool home.new ;;
leave) cd / && exec rm -rf "$folder" ;;
*) exit 2 ;;
esac
