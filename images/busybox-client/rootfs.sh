#!/bin/sh
# rootfs.sh DIR: lays out the image's whole root in DIR, from what was built in /src.
set -eu
umask 022
mkdir -p "$1"
cd "$1"
mkdir -p bin sbin dev etc/dropbear home/alice proc root run srv/data sys tmp usr/libexec
chmod 1777 tmp
chmod 700 root
chown 4711:4711 home/alice

cp "$(command -v busybox)" bin/busybox
for applet in $(bin/busybox --list); do
    [ "$applet" = busybox ] || ln -s busybox "bin/$applet"
done
cp /src/dropbear-*/dropbearmulti sbin/dropbear
ln -s dropbear sbin/dropbearkey
ln -s dropbear sbin/dropbearconvert
cp /src/openssh-*/sshd sbin/sshd
for program in sftp-server sshd-session sshd-auth; do
    cp "/src/openssh-"*"/$program" "usr/libexec/$program"
done
cp /src/entrypoint sbin/entrypoint
chmod 755 sbin/entrypoint

printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'alice:x:4711:4711::/home/alice:/bin/sh' \
    'sshd:x:100:100::/run/sshd:/bin/false' >etc/passwd
printf '%s\n' 'root:x:0:' 'alice:x:4711:' 'crew:x:4712:alice' 'sshd:x:100:' >etc/group
printf '%s\n' /bin/sh >etc/shells
