"""Each fault of the tables in tests/support/faults.py, by both kinds of methods, and by readers."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.faults import FAULTS, METHODS, READERS
from tests.support.lab import Client, Completed, Lab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
KEEP = True  # our programs on the client: what is left there is not looked at here

ROOT = "/srv/faults"
IMAGE = "borgpull-debian13-client"  # stream needs a Python there, and one column busybox
# Its shell and its tools are busybox's then. Its head stays GNU's: busybox's reads by stdio, which
# the library that breaks the disk does not reach. After a read error both end with 1.
TOOLS = "sh find stat tail tr wc readlink id date uname"
TO_BUSYBOX = f"cd /usr/bin; for n in {TOOLS}; do mv $n $n.gnu; busybox ln -s busybox $n; done"
FROM_BUSYBOX = f"cd /usr/bin; for n in {TOOLS}; do mv $n.gnu $n; done"
# A file whose time is long past, and of some length.
_HOLD = "hold() { FILL; touch -d '2020-01-01' $1; }\n"
# What reads on the client must still be reading when it is noticed. `stream` sends no holes.
FILL = {
    "sshfs": "truncate -s 20M $1",
    "pipe": "truncate -s 100M $1",
    "stream": "yes | head -c 60000000 >$1",
}
# What reads as that method does.
LIKE = {"sftp": "sshfs", "find": "stream", "busybox": "stream"}
COLUMNS = (*METHODS, *READERS)
# $1 is done as soon as somebody opens a `hold-*`. SFTP's server waits for it: each file has a lease
# (fcntl(2)), and the kernel tells the one that holds it. borg would not wait, but shows what it has
# open, which the server hides.
_ONCE_OPENED = {
    "sshfs": """
exec perl -e '
  $SIG{IO} = sub { $opened = 1 };
  for (glob "hold-*") {
    open my $file, "+<", $_ or die;
    fcntl $file, 1024, 1 or die "$_: $!"; # F_SETLEASE, F_WRLCK
    push @held, $file;
  }
  open my $ready, ">", "/run/ready" or die;
  select undef, undef, undef, 0.02 until $opened;
  system shift;
' "$1"
""",
    "client": """
exec perl -e '
  ($folder, $command) = @ARGV;
  open my $ready, ">", "/run/ready" or die;
  until (grep { (readlink // "") =~ m{^$folder/hold} } glob "/proc/[0-9]*/fd/*") {
    select undef, undef, undef, 0.005;
  }
  system $command;
' "$PWD" "$1"
""",
}
# By shell, in the fault's folder, which is empty. Order matters: borg goes by inodes.
SETUP = {
    "cut": r"""
        name=$(printf 'eio-cut-caf\351'); head -c 8000000 /dev/zero >"$name"
        touch -d '2031-01-01' "$name"; : >/srv/control/eio""",
    "eio": """
        head -c 8000000 /dev/zero >eio-all; touch -d '2020-01-01' eio-all; : >/srv/control/eio
        sed -i 's/EIO_AT=[0-9]*/EIO_AT=0/' /run/sftp-wrapper /run/sshd_config
        pid=$(cat /run/sshd.pid); rm /run/sshd.pid; kill -HUP $pid
        until [ -s /run/sshd.pid ]; do sleep 0.05; done""",  # which it writes once it listens
    "vanished": "hold hold-1; for n in 1 2 3; do echo x >victim-$n; done; hold hold-2",
    "symlink": "hold hold-1; echo x >victim; touch -d '2020-01-01' victim; hold hold-2",
    "permission": "echo x >secret; chmod 0 secret",
    "unreadable": "mkdir secret; echo x >secret/file; chmod 0 secret",
    "blind": "mkdir list-only; echo x >list-only/file; chmod 744 list-only",
    "walk": r"""
        printf '#!/bin/sh\n[ "$*" = "${*#/srv}" ] || exit 3\nexec /usr/bin/find "$@"\n' \
            >/usr/local/bin/find; chmod 755 /usr/local/bin/find""",
    "name": r"echo x >$(printf 'caf\351')",
    "long": """
        part=$(printf %0200d 0)
        for n in $(seq 24); do mkdir $part; cd -P $part; echo x >file; done""",
    "mount": "echo x >file",
    "dead": """
        mkdir dead; exec 3<>/dev/fuse
        mount -i -t fuse -o subtype=bindfs,fd=3,rootmode=40000,user_id=0,group_id=0 dead dead""",
    "hard-link": "echo x >one; ln one two",
    "changed": "hold hold",
    "clock": "echo x >old; touch -d '1901-12-14' old; echo x >new; touch -d '2100-01-01' new",
}
# What happens once the folder was listed, and the first file is about to be read.
MEANWHILE = {"vanished": "rm victim-*", "symlink": "ln -sfn /etc/hostname victim"}
# Each time has a second of its own: SFTP tells no less, and all may be over within one.
_REWRITE = """
time=1600000000
while [ -e hold ]; do
  head -c 1000 /dev/urandom | dd of=hold conv=notrunc,nocreat
  touch -c -d @$((time += 1)) hold; sleep 0.01
done
"""
# What no test has to itself.
SHARED = [name for name, fault in FAULTS.items() if fault.sshfs.code == fault.pipe.code == 0]


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    mounts = ("--tmpfs", ROOT, "--tmpfs", f"{ROOT}/mount/inside")
    may = ("--cap-add", "SYS_ADMIN", "--device", "/dev/fuse")
    options = (*mounts, *may, "--security-opt", "apparmor=unconfined")
    made = lab.client(IMAGE, SEED="0", SFTP_WRAPPER="eio", PRELOAD_SCOPE="all", options=options)
    made.exec("chmod", "755", ROOT)
    return made


def run(lab: Lab, client: Client, method: str, *names: str) -> Completed:
    client.exec("rm", "-f", "/srv/control/eio", "/usr/local/bin/find")
    like = LIKE.get(method, method)
    hold = _HOLD.replace("FILL", FILL[like])
    for name in names:
        script = f"mkdir -p {ROOT}/{name}; cd {ROOT}/{name}; rm -rf [!i]*\n{hold}{SETUP[name]}"
        client.exec("sh", "-c", script)
        there = f"cd {ROOT}/{name}; "
        if name in MEANWHILE:
            watch = _ONCE_OPENED["sshfs" if like == "sshfs" else "client"]
            client.exec("rm", "-f", "/run/ready")
            client.exec("sh", "-c", there + watch, "sh", MEANWHILE[name], detach=True)
            client.exec("sh", "-c", "until [ -e /run/ready ]; do sleep 0.02; done")
        elif name == "changed":
            client.exec("sh", "-c", there + _REWRITE, detach=True)
    words = ("--json", "--init", "--name", f"{method}-faults")
    address = client.address.replace("root", FAULTS[names[0]].user)
    paths = [f"{ROOT}/{name}" for name in names]
    how = ("stream", "--reader", method) if method in READERS else (method,)
    with tools(client, method):
        done = lab.sidecar(
            *how, *words, address, *paths, rung="userns" if method == "sshfs" else "none"
        )
    client.exec("rm", "-f", f"{ROOT}/changed/hold")  # which ends what rewrites it
    return done


@contextlib.contextmanager
def tools(client: Client, method: str) -> Iterator[None]:
    if method != "busybox":
        yield
        return
    client.exec("sh", "-c", TO_BUSYBOX)
    try:
        yield
    finally:
        client.exec("sh", "-c", FROM_BUSYBOX)


def green(column: str) -> list[str]:
    """All faults that do not fail a run, which one run meets."""
    return [name for name in SHARED if FAULTS[name].outcome(column).code == 0]


@pytest.fixture(scope="module")
def greens(lab: Lab, client: Client) -> Callable[[str], Completed]:
    return functools.cache(lambda column: run(lab, client, column, *green(column)))


@pytest.mark.parametrize("method", COLUMNS)
@pytest.mark.parametrize("name", FAULTS)
def test_what_a_run_says_of_a_fault(
    greens: Callable[[str], Completed], lab: Lab, client: Client, name: str, method: str
) -> None:
    fault = FAULTS[name]
    done = greens(method) if name in green(method) else run(lab, client, method, name)
    expected = fault.outcome(method)
    assert done.rc == expected.code, done.stderr + done.stdout[-2000:]
    told = named(done, expected.where)
    path = f"{ROOT}/{name}/{fault.file}"
    if expected.where.startswith("losses."):
        assert told, done.stdout[-2000:]
    elif expected.where:
        by_sftp = LIKE.get(method, method) == "sshfs"
        text = "find on the client" if name == "walk" and by_sftp else path.rstrip("/")
        assert text in str(told), done.stdout[-2000:]
    if expected.code == 0:
        sure = "not checked" if method == "busybox" else "checked"
        assert done.result["data"]["listings"] == sure
        quiet = {path for path in done.result["data"]["changed"] if "/hold" not in path}
        assert quiet <= {f"{ROOT}/symlink/victim", *changed_by(method)}


def changed_by(method: str) -> set[str]:
    """Those of the vanished that were read in time."""
    return (
        {f"{ROOT}/vanished/victim-{n}" for n in (1, 2, 3)}
        if LIKE.get(method, method) == "sshfs"
        else set()
    )


def named(done: Completed, where: str) -> Any:
    if where == "message":
        return done.result["failure"]["message"]
    found = done.result["data"]
    for key in where.split(".") if where else ():
        found = found[key]
    return found
