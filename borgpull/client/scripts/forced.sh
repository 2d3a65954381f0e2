# One statement a line. They become one line of authorized_keys, joined by semicolons, with @WORDS@ filled in.
# The whole is one word for the login shell. `$$` is the sh in its place. borg's transport opens its input and
# output anew. There are no double quotes, which dropbear cannot read there, so nothing is split here.
# There is no `!`, which csh takes for history. borg gets the folders first: after a file was named, it leaves
# out all other names of it.
set -f
IFS=
e() { if command -v find >/dev/null; then find $1/. -name . -o -prune -type s -o -print 2>&1; else ls -A $1/. 2>&1 | while read -r f; do [ -S $1/$f ] || echo x; done; fi | head -n 1; }
read -r v
case $v in borgpull-create|borgpull-timed|borgpull-list|borgpull-rename) ;; *) printf '\n%s\nborgpull-borg %s %s\nborgpull-time %s\nborgpull-knows timed\n' @FORCED@ $(@BORG@ --version </dev/null) @BORG@ $(date +%s); echo borgpull-knows roots; set -- @NAMED@; n=0; for f; do n=$(($n+1)); [ -d $f ] && [ -z $(e $f) ] && s=$(ls -A $f/. | head -n 1) && printf 'borgpull-empty %s %s\n' $n ${s:+sockets}; done; exit;; esac
read -r p
read -r a
read -r b
t=
case $v in *timed) read -r t;; esac
exec 3<&0 4>&1 </dev/null 1>&2
printf '\nborgpull-begin\n' >&4
chrt -b -p 0 $$ >/dev/null 2>&1
cd /
set -- @PATHS@
n=$#
for f; do [ -d $f ] && set -- $@ $f; done
for f; do [ -d $f ] || set -- $@ $f; done
shift $n
export BORG_REPO=@URL@ BORG_HOSTNAME=@CLIENT@ BORG_PASSPHRASE_FD=5 BORG_EXIT_CODES=modern
export BORG_RELOCATED_REPO_ACCESS_IS_OK=yes BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
export LC_ALL=C.UTF-8 TZ=UTC BORG_RSH='sh -c '\''cat </proc/'$$'/fd/3 & exec cat >/proc/'$$'/fd/4'\'
printf '%s\n' $p | { exec 5<&0 </dev/null; case $v in *create|*timed) @BORG@ --log-json --lock-wait 60 create --json --progress --list --filter '@FILTER@' --compression $b ${t:+--timestamp=$t} @EXCLUDES@ -- ::$a $@;; *list) @BORG@ --log-json --lock-wait 60 create --dry-run --list @EXCLUDES@ -- ::$a $@;; *) @BORG@ --log-json --lock-wait 60 rename -- ::$a $b;; esac; }
