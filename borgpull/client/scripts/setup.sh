# borgpull setup: comes after `set -- ID KEEP RUNTIME BORG CACHE [PATH…]` and the scripts `probe` and `folder`,
# with $id, $keep, $runtime and $cache. Answers as `probe` does.
#
# Makes our folder ready: 0700, named by a random ID that only this server and this client have. Processes that
# a killed run has left in it are ended first. Plain POSIX sh, as `probe`.
shift 5
umask 077

# One line of a folder's content, without sockets, which borg does not save; or of an error.
content() {
  if command -v find >/dev/null; then
    find "$1/." -name . -o -prune -type s -o -print 2>&1
  else
    ls -A "$1/." 2>&1 | while IFS= read -r name; do [ -S "$1/$name" ] || echo "$name"; done
  fi | head -n 1
}

count=0
for path; do
  count=$((count + 1))
  if [ -L "$path" ]; then
    say link "$count $(readlink -f "$path" 2>/dev/null || readlink "$path")"
  elif ! [ -e "$path" ]; then
    say missing "$count $(ls -d "$path" 2>&1 >/dev/null | head -n 1)"
  elif ! [ -d "$path" ]; then
    say plain "$count"
  elif [ -z "$(content "$path")" ]; then
    say empty "$count $([ -z "$(ls -A "$path/.")" ] || echo sockets)"
  fi
done

end "$id"
chosen=
# in /var/cache, a kept folder is found without --keep-runtime, too
while IFS= read -r base; do
  folder=$base/borgpull-$id
  { [ "$folder" != "$chosen" ] && ours "$folder"; } || continue
  rm -rf "$folder"/*.sock "$folder"/in.* "$folder"/out.* "$folder/runtime.new" "$folder/home.new" "$folder/key" \
    "$folder"/home/cache/*/lock.* # locks of a dead borg: borg would wait for them in vain
  if [ -z "$chosen" ] && good "$folder"; then chosen=$folder; else rm -rf "$folder"; fi
done <<BORGPULL-BASES
/var/cache
$bases
BORGPULL-BASES
choose
[ -n "$chosen" ] || exit 0
say folder "$chosen"
[ -d "$chosen/home/cache" ] && say cache yes
if [ -e "$chosen/runtime/MANIFEST" ]; then
  (cd "$chosen/runtime" && sha256sum -c MANIFEST >/dev/null 2>&1) \
    && say runtime "$(sha256sum <"$chosen/runtime/MANIFEST" | cut -d ' ' -f 1)"
fi
