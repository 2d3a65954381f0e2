#!/bin/sh
# borgpull tool: works on the folder that this script lies in. Its arguments are simple words, so
# that every login shell passes them on alike.
folder=${0%/*}
umask 077
PATH=$PATH:/usr/local/bin:/usr/bin:/bin
cd "$folder" || exit 1
case $1 in
keep | leave) end "${folder##*borgpull-}" ;;
*) export BORGPULL_FOLDER="$folder/" ;; # a later run finds hanging processes by it
esac
case $1 in
unpack) # unpack HASH PROGRAM…: the runtime comes as a tar; it is used once every file was checked
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
take) # borg's cache comes, after the text that a profile may have printed when it was fetched
  while IFS= read -r line && [ "$line" != borgpull-begin ]; do :; done
  # The cache is taken whole or not at all: borg dies of one that is cut short. A cut tar may seem to
  # end well between two files, so the last file must be there.
  rm -rf home.new
  mkdir home.new && tar -xf - -C home.new && rm home.new/zz-whole && rm -rf home && exec mv home.new home
  rm -rf home.new
  exit 1
  ;;
give) # borg's cache is sent
  cd home && : >zz-whole && printf '\nborgpull-begin\n' && tar -cf - [!z]* zz-whole
  ;;
put) cat >"$2.new" && chmod 600 "$2.new" && mv "$2.new" "$2" ;;
keep) rm -rf ./*.sock in.* out.* key known_hosts run rsh tool home.new ;;
leave) cd / && exec rm -rf "$folder" ;;
*) exit 2 ;;
esac
