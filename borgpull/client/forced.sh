# One statement a line: they become one line of authorized_keys, joined by semicolons; @WORDS@ are
# filled in. `$$` is the shell that sshd starts; borg's transport opens its input and output anew.
IFS= read -r v
case $v in borgpull-create|borgpull-list|borgpull-rename) ;; *) echo @FORCED@; exit;; esac
IFS= read -r p
IFS= read -r a
IFS= read -r b
exec 3<&0 4>&1 </dev/null 1>&2
cd /
export BORG_REPO=@URL@ BORG_HOSTNAME=@CLIENT@ BORG_PASSPHRASE_FD=5 BORG_EXIT_CODES=modern
export BORG_RELOCATED_REPO_ACCESS_IS_OK=yes BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
export LC_ALL=C.UTF-8 TZ=UTC BORG_RSH="sh -c 'cat </proc/$$/fd/3 & exec cat >/proc/$$/fd/4'"
set -- --log-json --lock-wait 60
[ $v != borgpull-create ] || set -- "$@" create --json --progress --list --filter '@FILTER@' --compression "$b" @EXCLUDES@ "::$a" -- @PATHS@
[ $v != borgpull-list ] || set -- "$@" create --dry-run --list @EXCLUDES@ "::$a" -- @PATHS@
[ $v != borgpull-rename ] || set -- "$@" rename "::$a" "$b"
printf '%s\n' "$p" | @BORG@ "$@" 5<&0 </dev/null
