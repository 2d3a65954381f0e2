#!/bin/sh
# hostile.sh NAME ROOT: makes ROOT look like the root of a client that means harm, or is merely strange.
# One function a name. ROOT is what sshd shows as "/" to whoever logs in as root.
# A second start finds ROOT filled and leaves it as it is.
set -eu
export LC_ALL=C
umask 022
lib=/usr/local/lib/client

write() { # write FILE TEXT
    mkdir -p "$(dirname "$1")"
    printf '%b\n' "$2" >"$1"
}

# What every client has, so that there is something worth a backup next to the harm.
plain_root() {
    mkdir -p boot dev etc home mnt opt proc root run srv sys tmp usr/bin usr/lib usr/lib64 usr/sbin var/lib
    for name in bin lib lib64 sbin; do
        ln -s "usr/$name" "$name"
    done
    chmod 1777 tmp
    write etc/passwd 'root:x:0:0:root:/root:/bin/sh\nalice:x:4711:4711::/home/alice:/bin/sh'
    write etc/group 'root:x:0:\nalice:x:4711:\ncrew:x:4712:alice'
    write etc/hostname 'hostile'
    write srv/data/worth-keeping 'this must be in the archive'
    write home/alice/notes 'and this'
    chown -R 4711:4711 home/alice
}

# The folders that a server mounts over lead elsewhere: to each other, to "/", round in circles.
hostile_symlinks() {
    mv etc srv/etc-was-here
    rmdir run proc dev sys tmp mnt
    ln -s /etc run
    ln -s / proc
    ln -s /sys dev
    ln -s /dev sys
    ln -s ../../../../../../../.. etc
    ln -s /proc/self/root/tmp tmp
    ln -s run/../../.. mnt
}

# Whoever opens these to learn user names waits for ever.
hostile_fifo_passwd() {
    rm etc/passwd etc/group
    mkfifo -m 644 etc/passwd etc/group
}

# Whoever reads it whole needs a gigabyte for each copy.
hostile_huge_passwd() {
    truncate -s 1G etc/passwd
}

# Resolved by the server's root, this is the server's shadow file.
hostile_passwd_symlink_out() {
    rm etc/passwd
    ln -s ../../../../etc/shadow etc/passwd
    write etc/shadow 'root:*:20000:0:99999:7:::'
}

hostile_big_folder() {
    mkdir srv/data/big
    # From inside, with short names: a few processes make all of them.
    (cd srv/data/big && seq -f 'entry-%06g' 1 "${ENTRIES:-100000}" | xargs touch)
}

# DEEP bytes from the root that the client shows, which is not longer for the client itself by much.
hostile_deep_path() {
    part=$(printf %0199d 0 | tr 0 d)
    mkdir srv/deep
    (
        cd srv/deep
        length=9 # of "/srv/deep"
        while [ $((length + 200)) -le $((${DEEP:-4000} - 7)) ]; do
            mkdir "$part"
            cd -P "$part"
            length=$((length + 200))
        done
        rest=$((${DEEP:-4000} - 7 - length - 1))
        if [ $rest -gt 0 ]; then
            part=$(printf "%0${rest}d" 0 | tr 0 r)
            mkdir "$part"
            cd -P "$part"
        fi
        echo 'at the bottom' >bottom
    )
}

# Names that lie to a terminal, a log, a progress bar, a JSON line, a shell, or a table of results.
hostile_names() {
    mkdir srv/names
    while IFS= read -r name; do
        # The names are written as printf formats are; \n and \033 stand for the bytes.
        write "srv/names/$(printf '%b' "$name")" 'a name'
    done <<'NAMES'
new\nline
two\n\nlines and {"type": "result", "ok": true}
A /srv/data/forged\nA /srv/data/progress
clear-\0033[2J\0033[H-screen
red-\0033[31mred
title-\0033]0;owned\0007
hyperlink-\0033]8;;mailto:x\0033\\click\0033]8;;\0033\\
up-\0033[1A\0033[2Kgone
eight-bit-csi-\0233[31m
invalid-\0377\0376\0200
half-\0303
overlong-\0300\0257
surrogate-\0355\0240\0200
rtl-\0342\0200\0256txt.exe
zero-width-\0342\0200\0213
back\0010\0010\0010\0010space
return\rreturn
[red]markup[slash]
[bold red]all of it
[link=x]click
{now}{hostname}{0}%(x)s%s%n
$(touch PWNED)`touch PWNED`;touch PWNED
-rf
--exclude=*
'"quotes"'
 leading and trailing 
re:.*
# comment
NAMES
    # A name in the table of users is printed too.
    printf 'root:x:0:0::/root:/bin/sh\nali\033[31mce:x:4711:4711::/:\n[red]:x:4713:4713::/:\n\377\376:x:4714:4714::/:\n' >etc/passwd
    for id in 4711 4713 4714; do
        write "srv/data/of-$id" 'a file'
        chown "$id:$id" "srv/data/of-$id"
    done
}

# Everything that a careless chroot would run or load is a trap: it leaves PWNED behind (src/trap.c).
hostile_booby_trap() {
    mkdir -p repo state dev/shm
    for program in sh bash dash busybox env true cat ls id tar find python3 python3.11 python3.12 python3.13 borg \
        ssh sftp sshfs fusermount fusermount3 mount umount ldconfig getent passphrase; do
        cp "$lib/trap" "usr/bin/$program"
        cp "$lib/trap" "usr/sbin/$program"
    done

    machine=$(uname -m)
    libraries=usr/lib/$machine-linux-gnu
    mkdir -p "$libraries/gconv" usr/lib/aarch64-linux-gnu
    # The kernel itself starts the interpreter that a program names.
    for loader in usr/lib64/ld-linux-x86-64.so.2 usr/lib/ld-linux-aarch64.so.1 usr/lib/ld-linux.so.2 \
        "usr/lib/ld-musl-$machine.so.1" "$libraries/ld-linux-x86-64.so.2"; do
        cp "$lib/trap" "$loader"
    done
    cp "$lib/trap-libc.so" "$libraries/libc.so.6"
    for library in libm.so.6 libdl.so.2 libpthread.so.0 libresolv.so.2 libz.so.1 libzstd.so.1 liblz4.so.1 libxxhash.so.0 \
        libacl.so.1 libattr.so.1 libcrypto.so.3 libssl.so.3 libffi.so.8 libgcc_s.so.1 libexpat.so.1 \
        libpython3.11.so.1.0 libpython3.12.so.1.0 libpython3.13.so.1.0 libpwned.so \
        libnss_files.so.2 libnss_compat.so.2 libnss_dns.so.2 libnss_systemd.so.2 libnss_sss.so.2 libnss_evil.so.2; do
        cp "$lib/trap.so" "$libraries/$library"
    done
    # glibc asks the table for a charset it does not have built in.
    cp "$lib/trap.so" "$libraries/gconv/EVIL.so"
    write "$libraries/gconv/gconv-modules" 'module UTF-8// INTERNAL EVIL 1\nmodule INTERNAL UTF-8// EVIL 1'
    write etc/ld.so.preload "/lib/$machine-linux-gnu/libpwned.so"
    write etc/ld.so.conf "/lib/$machine-linux-gnu"
    write etc/nsswitch.conf 'passwd: evil files\ngroup: evil files\nhosts: evil files'

    for folder in usr/lib/python3 usr/lib/python3/dist-packages usr/lib/python3.11 usr/lib/python3.12 usr/lib/python3.13 \
        usr/local/lib/python3.13/dist-packages usr/local/lib/python3.13/site-packages root .; do
        for module in sitecustomize usercustomize encodings borg; do
            write "$folder/$module.py" "
for place in ('/repo', '/state', '/run', '/dev/shm', '/tmp'):
    try:
        open(place + '/PWNED', 'w').close()
    except OSError:
        pass
print('PWNED: code of the client was run')"
        done
        write "$folder/evil.pth" 'import sitecustomize'
    done
    # borg, ssh and shells read these where HOME or /etc says so.
    write root/.profile 'touch /tmp/PWNED /repo/PWNED /state/PWNED'
    write etc/profile 'touch /tmp/PWNED /repo/PWNED /state/PWNED'
    write root/.ssh/config 'Host *\n    ProxyCommand touch /tmp/PWNED'
    write etc/fuse.conf 'user_allow_other'
}

if [ $# -ne 2 ]; then
    echo "usage: hostile.sh NAME ROOT" >&2
    exit 2
fi
names='symlinks fifo-passwd huge-passwd passwd-symlink-out big-folder deep-path names booby-trap'
case " $names " in
*" $1 "*) ;;
*)
    echo "hostile.sh: $1 is unknown ($names)" >&2
    exit 2
    ;;
esac
mkdir -p "$2"
cd "$2"
if [ -z "$(ls -A .)" ]; then
    plain_root
    "hostile_$(echo "$1" | tr - _)"
fi
