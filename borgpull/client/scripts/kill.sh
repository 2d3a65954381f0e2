# ours FOLDER: is it a folder that this user has made?
ours() { [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ]; }

# end ID: ends all processes of our folder borgpull-ID, for example those of a killed run. They have the folder
# in their command line or environment. This shell and those that called it go on. So do processes of the
# server, where that is this very machine: its ssh has our command line in its own (process.py, base_env). No
# sshd gives its sessions the variable.
end() {
  mine=' ' process=$$
  while [ "${process:-0}" -gt 1 ]; do
    mine="$mine$process "
    process=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$process/status" 2>/dev/null)
  done
  for signal in TERM 0 0 0 0 TERM 0 0 0 0 KILL 0 KILL; do
    found=
    # The brackets keep grep from finding itself.
    for file in $(grep -l "[b]orgpull-$1/" /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null); do
      process=${file#/proc/} process=${process%/*}
      case $mine in *" $process "*) continue ;; esac
      grep -q '[B]ORGPULL_SERVER=' "/proc/$process/environ" 2>/dev/null && continue
      kill -"$signal" "$process" 2>/dev/null && found=1
    done
    [ -n "$found" ] || return 0
    sleep 0.3 2>/dev/null || sleep 1
  done
}
