# After `count`: what SFTP cannot carry.
can -links +1 && echo "hard_links $(find "$@" -type f -links +1 -print0 | nuls)"
can -type s && echo "sockets $(find "$@" -type s -print0 | nuls)"
can -type b && echo "devices $(find "$@" '(' -type b -o -type c ')' -print0 | nuls)"
if command -v getfattr >/dev/null; then
  found=$(find "$@" -print0 | xargs -0 getfattr -h -m - -- | grep -c '^# file')
  echo "xattrs_and_acls $found"
fi
