# borgpull probe: answers lines `borgpull-WORD TEXT` of this machine, and leaves nothing on it. $borg is a
# path, or `-`. Plain POSIX sh: it must run in dash, bash and busybox alike.
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C
say() { printf 'borgpull-%s %s\n' "$1" "$2"; }

echo # a profile's greeting may have no newline at its end
say user "$(id -u) $(id -un 2>/dev/null)"
say time "$(date +%s)"
say machine "$(uname -s) $(uname -m)"
for tool in tar gzip sha256sum socat find getfattr; do
  command -v "$tool" >/dev/null 2>&1 && say has "$tool"
done
if [ -r /proc/cpuinfo ]; then # which cipher is the fast one there?
  if grep -qE '^(flags|Features)[[:space:]]*:.*[[:space:]]aes([[:space:]]|$)' /proc/cpuinfo; then say aes yes; else say aes no; fi
fi
say ssh "$(ssh -V </dev/null 2>&1)"
say connection "${SSH_CONNECTION:-}"

# A named borg is used as it is. Else a borg of the right series on this machine's PATH is used.
[ "$borg" = - ] && borg=$(command -v borg 2>/dev/null)
[ -n "$borg" ] && [ -x "$borg" ] && say borg "$("$borg" --version </dev/null 2>/dev/null | head -n 1) $borg"
