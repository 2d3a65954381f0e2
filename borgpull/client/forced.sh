# One statement a line: they become one line of authorized_keys, joined by semicolons; @WORDS@ are
# filled in. `$$` is the shell that sshd starts; borg's transport opens its input and output anew.
# No double quotes, which dropbear would not take out of its authorized_keys: nothing is split here.
set -f
IFS=
read -r v
case $v in borgpull-create|borgpull-list|borgpull-rename) ;; *) printf '\n%s\nborgpull-borg %s %s\n' @FORCED@ $(@BORG@ --version </dev/null) @BORG@; exit;; esac
read -r p
read -r a
read -r b
exec 3<&0 4>&1 </dev/null 1>&2
printf '\nborgpull-begin\n' >&4
chrt -b -p 0 $$ >/dev/null 2>&1
cd /
export BORG_REPO=@URL@ BORG_HOSTNAME=@CLIENT@ BORG_PASSPHRASE_FD=5 BORG_EXIT_CODES=modern
export BORG_RELOCATED_REPO_ACCESS_IS_OK=yes BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
export LC_ALL=C.UTF-8 TZ=UTC BORG_RSH='sh -c '\''cat </proc/'$$'/fd/3 & exec cat >/proc/'$$'/fd/4'\'
printf '%s\n' $p | { exec 5<&0 </dev/null; case $v in *create) @BORG@ --log-json --lock-wait 60 create --json --progress --list --filter '@FILTER@' --compression $b @EXCLUDES@ -- ::$a @PATHS@;; *list) @BORG@ --log-json --lock-wait 60 create --dry-run --list @EXCLUDES@ -- ::$a @PATHS@;; *) @BORG@ --log-json --lock-wait 60 rename -- ::$a $b;; esac; }
