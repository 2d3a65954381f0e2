#!/bin/sh
# build.sh OUT: makes the broken disk, the booby traps and the seed's random file in OUT.
set -eu
cd "$(dirname "$0")"
out=$1
mkdir -p "$out"

gcc -O2 -Wall -Wextra -Werror -shared -fPIC -o "$out/disk.so" disk.c
gcc -O2 -Wall -Wextra -Werror -shared -fPIC -o "$out/nonames.so" nonames.c

# The traps have no libc: they must go off in a root where libc itself is a trap, and even as the ELF
# interpreter of another program, before anything is set up. For the same reason nothing in them may need
# the loader (no stack protector, no relocations).
trap_flags='-O2 -Wall -Wextra -Werror -nostdlib -fPIE -fno-stack-protector -fcf-protection=none'
# shellcheck disable=SC2086
gcc $trap_flags -static-pie -o "$out/trap" trap.c

# As libc.so.6 the trap is opened only by a loader that finds the symbol versions which programs ask for.
previous=
{
    for version in 2.0 2.2.5 2.3 2.3.2 2.3.3 2.3.4 $(seq -f '2.%g' 4 60) ABI_DT_RELR PRIVATE; do
        echo "GLIBC_$version { global: trap_$(echo "$version" | tr . _); } $previous;"
        previous=GLIBC_$version
    done
} >"$out/versions"
# shellcheck disable=SC2086
gcc $trap_flags -fPIC -shared -DLIBRARY -Wl,-soname,libc.so.6 -Wl,--version-script="$out/versions" -o "$out/trap-libc.so" trap.c
# shellcheck disable=SC2086
gcc $trap_flags -fPIC -shared -DLIBRARY -o "$out/trap.so" trap.c
rm "$out/versions"

# For the seed: 8 MiB that do not compress and are the same on every build (Park and Miller's generator).
LC_ALL=C awk -v n=8388608 'BEGIN {
    x = 4711
    for (i = 0; i < n; i += 2) {
        x = (x * 16807) % 2147483647
        printf "%c%c", int(x / 128) % 256, int(x / 32768) % 256
    }
}' >"$out/random-8mib"
