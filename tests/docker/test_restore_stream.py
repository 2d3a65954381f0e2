"""Restores by stream: nothing is lost, nothing is left, and the target is not believed."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from borgpull.client.scripts.writing_attributes import acl
from tests.support.lab import PLAIN, Client, Completed, Lab
from tests.support.restores import (
    INTO,
    TREE,
    UNAVOIDABLE,
    differences,
    far_archive,
    ok,
    repaired,
    saved,
    set_flags,
)

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
OWNER = 1000  # of the laboratory: the sidecars are not root

PYTHON = "borgpull-borg12-client"  # the client that has one


@pytest.fixture(scope="module")
def source(lab: Lab) -> Client:
    """A client with one archive, `all`."""
    return saved(lab)


@pytest.fixture(scope="module")
def target(lab: Lab) -> Client:
    return lab.client(PYTHON, SEED="0")


_SET_ACL = """
import os, sys
os.setxattr(sys.argv[1], "system.posix_acl_default", bytes.fromhex(sys.argv[2]))
"""
_OTHERS = [[4, 5], [16, 7], [32, 5]]  # of the group, the mask, and the others


def by_stream(lab: Lab, source: Client, to: str, *words: str) -> Completed:
    return lab.plain("restore", "--json", "--how", "stream", source.name, "--to", to, *words)


def emptied(target: Client) -> str:
    """The address of the target's folder, empty."""
    target.exec("sh", "-c", f"rm -rf {INTO}/* {INTO}/.[!.]*; chmod 755 {INTO}")
    return f"{target.address}:{INTO}"


def everything(client: Client) -> list[str]:
    """Sorted: overlayfs may list a folder in another order each time."""
    return sorted(client.exec("find", "/", "-xdev", "-not", "-path", "/proc/*").splitlines())


def test_everything_comes_back(lab: Lab, source: Client, target: Client, rsync: str) -> None:
    to, before = emptied(target), everything(target)
    # What is made here would get it.
    target.exec("python3", "-c", _SET_ACL, INTO, acl([[1, 7], [2, 7, 1, None], *_OTHERS]).hex())
    plan = ok(lab.plain("restore", "--json", source.name, "all", "--to", to, "--dry-run"))
    assert plan["how"] == "stream"  # without being asked for
    assert (plan["dry_run"], plan["overwritten"], plan["cannot"]) == (True, 0, {})
    assert everything(target) == before

    data = ok(by_stream(lab, source, to, "all"))
    assert (data["how"], data["not_restored"], data["warnings"]) == ("stream", {}, [])
    assert data["items"] == plan["items"] > 350
    assert differences(rsync, source, target) == UNAVOIDABLE
    assert everything(target) == before  # but for a volume

    # Not over what is there, but to finish it; and then not what is right.
    assert by_stream(lab, source, to, "all").rc == 82
    tree = f"{INTO}{TREE}"
    kept = target.exec("stat", "-c", "%i", f"{tree}/many/0000/file-000007")
    script = (
        "rm links/hard-2 many/0000/file-000003 names/*caf*; rm -r owners; echo x >files/plain.txt; "
        'python3 -c \'import os; os.removexattr("attributes/user-xattr", "user.binary")\''
    )
    target.exec("sh", "-c", f"cd {tree} && {script}")
    rest = ok(by_stream(lab, source, to, "all", "--overwrite", "changed"))
    assert 300 < rest["skipped"] < rest["items"] - 6
    assert differences(rsync, source, target) == UNAVOIDABLE
    assert target.exec("stat", "-c", "%i", f"{tree}/many/0000/file-000007") == kept
    # Over everything, in its place.
    ok(by_stream(lab, source, to, "all", "--overwrite", "always"))
    assert differences(rsync, source, target) == UNAVOIDABLE


def test_owners_and_users(lab: Lab, source: Client, target: Client, rsync: str) -> None:
    """By name or number, as root, as another user, and as another user by sudo."""
    root, owners = emptied(target), f"{TREE}/owners"
    alice = root.replace("root@", "alice@")
    names = ("alice", "crew", "alice-crew", "nameless", "huge-id")
    stat = ["stat", "-c", "%u:%g", *(f"{INTO}/{name}" for name in names)]
    ids = "usermod -u {0}11 alice; groupmod -g {0}11 alice; groupmod -g {0}12 crew"
    target.exec("sh", "-c", ids.format(57))
    try:
        strip = ("--strip", "3")
        ok(by_stream(lab, source, root, "all", owners.strip("/"), *strip))
        unnamed = ["54321:54322", "4294967293:4294967293"]
        assert target.exec(*stat).split() == ["5711:5711", "0:5712", "5711:5712", *unnamed]
        numeric = (*strip, "--numeric-ids", "--overwrite", "always")
        ok(by_stream(lab, source, root, "all", owners, *numeric))
        assert target.exec(*stat).split() == ["4711:4711", "0:4712", "4711:4712", *unnamed]
    finally:
        target.exec("sh", "-c", ids.format(47))

    emptied(target)
    target.exec("chown", "alice:alice", INTO)
    words = ("all", owners, f"{TREE}/special/char")
    done = by_stream(lab, source, alice, *words)
    assert (done.rc, done.result["failure"]["error"]) == (80, "NotRestored"), done.stdout
    data = done.result["data"]
    assert data["cannot"] == {"owners": 5, "devices": 1}
    assert data["not_restored"] == {"owners": 4, "missing": 1}
    assert data["warnings"] == [f"{TREE}/special/char: Operation not permitted"]

    emptied(target)
    assert by_stream(lab, source, alice, *words, "--sudo").rc == 39
    target.let_sudo()
    ok(by_stream(lab, source, alice, "all", "--sudo"))
    assert differences(rsync, source, target) == UNAVOIDABLE
    emptied(target)
    ok(by_stream(lab, source, root, "all", owners, "--via", alice.partition(":")[0]))


def test_a_target_without_python(lab: Lab, source: Client) -> None:
    done = by_stream(lab, source, f"{source.address}:{INTO}", "all")
    assert (done.rc, done.result["failure"]["error"]) == (38, "ClientUnsuitable"), done.stdout
    assert "--how native" in done.result["failure"]["hint"]


def test_parts_of_it(lab: Lab, source: Client, target: Client) -> None:
    """Hard links without their first name; flags; times that borg itself does not store."""
    to = emptied(target)
    listed = lab.borg(source.name, "list", "--format", "{path} {linktarget}{NL}", "::all")
    (first,) = set(re.findall(r" (\S+/hard-\d)$", listed, re.MULTILINE))
    three = ("links/hard-1", "links/hard-2", "links/sub/hard-3")
    two = [name for name in three if not first.endswith(name)]
    ok(by_stream(lab, source, to, "all", *(f"{TREE}/{name}" for name in two), "--strip", "2"))
    places = [f"{INTO}/{name}" for name in two]
    assert target.exec("stat", "-c", "%h %n", *places) == "".join(f"2 {one}\n" for one in places)
    assert sorted(target.exec("find", INTO, "-type", "f").split()) == sorted(places)

    source.exec("sh", "-c", f"mkdir {TREE}/new && cd {TREE}/new && touch -d @-2147483648 old")
    source.exec("sh", "-c", f"cd {TREE}/new && echo x >nodump && echo x >fixed && touch -d @5 .")
    set_flags(source, **{"new/nodump": 0x40, "new/fixed": 0x10})
    try:
        far_archive(lab, source, "far")
    finally:
        set_flags(source, **{"new/fixed": 0})
        source.exec("rm", "-r", f"{TREE}/new")
    emptied(target)
    done = by_stream(lab, source, to, "far", "/new")
    # Without a capability nobody makes a file immutable.
    assert (done.rc, done.result["data"]["not_restored"]) == (80, {"flags": 1}), done.stdout
    assert done.result["data"]["warnings"] == ["/new/fixed: Operation not permitted"]
    times = target.exec("stat", "-c", "%Y", f"{INTO}/new", f"{INTO}/new/old").split()
    assert times == ["5", "-2147483648"]


def test_a_damaged_repository(lab: Lab, target: Client) -> None:
    """A file is whole, or it is not there and named; never zeros, nor what was there before."""
    folder = "/srv/control/some"
    script = f"mkdir -p {folder}; cd {folder}; head -c 9M /dev/urandom >large; echo x >a; echo y >b"
    target.exec("sh", "-c", f"{script}; ln large more")
    lab.pull("stream", target, "--archive", "some", folder)
    segments = (lab.repo / target.name / "data").glob("*/*")
    with max(segments, key=lambda path: path.stat().st_size).open("r+b") as file:
        file.seek(4_000_000)
        file.write(b"damage")
    for text in ("IntegrityError", "chunks of it are lost"):
        into = emptied(target)
        done = by_stream(lab, target, into, "some")
        data = done.result["data"]
        assert (done.rc, data["not_restored"]) == (80, {"missing": 2}), done.stdout
        # One of them is the first name, by the folder's order.
        both = [f"{folder}/large", f"{folder}/more"]
        assert sorted(data["not_restored_paths"]) == [f"{path} (missing)" for path in both]
        assert sorted(one.partition(": ")[0] for one in data["warnings"]) == both
        assert text in data["warnings"][0]
        found = target.exec("find", INTO, "-type", "f").split()
        assert sorted(found) == [f"{INTO}{folder}/{name}" for name in "ab"]
        target.exec("sh", "-c", f"cd {INTO}{folder}; echo old >large; echo another >more")
        again = by_stream(lab, target, into, "some", "--overwrite", "always")
        assert again.rc == 80, again.stdout
        kept = target.exec("cat", f"{INTO}{folder}/large", f"{INTO}{folder}/more")
        assert kept == "old\nanother\n"
        repaired(lab, target)


BIG = "/srv/control/big"
# Once some files are there: freeze the helper, or end it, or the connection.
ONCE = f"""
pids=
until [ "$pids" ]; do
  for p in /proc/[0-9]*; do
    grep -qa 'PROCESS' $p/cmdline 2>/dev/null && pids="$pids ${{p#/proc/}}"
  done
done
until set -- {INTO}{BIG}/f*; [ $# -ge COUNT ]; do :; done
kill -SIGNAL $pids
touch /srv/control/done
"""


@pytest.fixture(scope="module")
def big(lab: Lab, source: Client) -> dict[str, str]:
    """Some files of an archive `big`, and their hashes."""
    script = "for n in $(seq 40); do head -c 2M /dev/urandom >f$n; done"
    source.exec("sh", "-c", f"mkdir -p {BIG} && cd {BIG} && {script}")
    lab.pull("stream", source, "--archive", "big", BIG)
    return sums(source, BIG)


def sums(client: Client, folder: str) -> dict[str, str]:
    lines = client.exec("sh", "-c", f"cd {folder} && find . -type f -exec sha256sum {{}} +")
    parts = (line.partition("  ") for line in lines.splitlines())
    return {name: digest for digest, _, name in parts}


def interrupted(lab: Lab, source: Client, target: Client, signal: str, count: int) -> int:
    """Begin or go on with a restore that is ended as soon as so many files are there."""
    target.exec("rm", "-f", "/srv/control/done")
    process = "^sshd: root@" if signal == "link" else "scripts[.]write"
    script = ONCE.replace("PROCESS", process).replace("COUNT", str(count))
    signal = signal.replace("link", "KILL")
    target.exec("sh", "-c", script.replace("SIGNAL", signal), detach=True)
    words = ("restore", "--json", "--how", "stream", source.name, "big", "--overwrite", "changed")
    to = ("--to", f"{target.address}:{INTO}")
    run = lab.start_sidecar(*words, *to, rung="none", options=PLAIN)
    deadline = time.monotonic() + 60
    if signal == "STOP":
        while not target.exec("sh", "-c", "ls /srv/control/done 2>/dev/null || :"):
            assert run.poll() is None, run.output()
            assert time.monotonic() < deadline
        run.kill()
        target.exec("sh", "-c", "pkill -CONT -f [s]cripts.write")
        return 34
    return run.wait(60)


def assert_whole(target: Client, big: dict[str, str]) -> int:
    """No half file, and nothing else; the number of files that are there."""
    deadline = time.monotonic() + 20
    while target.exec("sh", "-c", "pgrep -f [s]cripts.write || :"):
        assert time.monotonic() < deadline
    found = sums(target, INTO)
    whole = {f".{BIG}{name.removeprefix('.')}": digest for name, digest in big.items()}
    assert found.items() <= whole.items()
    return len(found)


def test_killed_and_the_same_again(
    lab: Lab, source: Client, target: Client, big: dict[str, str]
) -> None:
    emptied(target)
    there = 0
    for signal, more, code in (("link", 6, 34), ("KILL", 9, 80), ("STOP", 9, 34)):
        count = there + more
        assert interrupted(lab, source, target, signal, count) == code
        there = assert_whole(target, big)
        assert count <= there < len(big)
    data = ok(by_stream(lab, source, f"{target.address}:{INTO}", "big", "--overwrite", "changed"))
    assert data["skipped"] == there
    assert assert_whole(target, big) == len(big)


# While the helper is there, these change places over and over: a folder of the restore, and a
# symlink that leads out of it.
SWAP = f"""
import ctypes, glob, os, time
os.chdir("{INTO}{TREE}")
swap = ctypes.CDLL(None).renameat2
os.symlink("/srv/outside", "trap")
at_work, turns = False, 0
def text(path):
    try:
        return open(path).read()
    except OSError:
        return ""
while True:
    if turns % 100 == 0:
        found = [text(path) for path in glob.glob("/proc/[0-9]*/cmdline")]
        at_work = any("scripts." "write" in words for words in found)
    turns += at_work
    for name in (b"many", b"many/0000", b"links") if at_work else ():
        for _ in range(2):
            swap(-100, name, -100, b"trap", 2)
            time.sleep(0.0005)
"""


def test_symlinks_that_are_swapped_in(lab: Lab, source: Client, target: Client) -> None:
    to = emptied(target)
    folders = "/srv/outside /srv/outside/0000"
    target.exec("sh", "-c", f"mkdir -p {folders}; cp -a /etc/passwd /srv/outside/hard-1")
    target.exec("mkdir", "-p", f"{INTO}{TREE}/many/0000", f"{INTO}{TREE}/links")
    outside = ("find", "/srv/outside", "-printf", "%p %C@ %n %s %U\n")
    before = target.exec(*outside)
    target.exec("python3", "-c", SWAP, detach=True)
    # No folders, which would take the symlinks' places.
    names = [f"many/0000/file-{number:06}" for number in range(30)]
    paths = [f"{TREE}/{name}" for name in (*names, *("links/hard-1", "links/hard-2"))]
    codes = []
    for _ in range(4):
        codes.append(by_stream(lab, source, to, "all", *paths, "--overwrite", "always").rc)
        assert target.exec(*outside) == before
    target.exec("pkill", "-f", "renameat2")
    # The look before may have seen the symlink (82).
    assert set(codes) <= {0, 80, 82}
    assert set(codes) & {0, 80}


def test_a_target_that_lies(lab: Lab, source: Client) -> None:
    evil = lab.client(PYTHON, SEED="0")
    evil.exec("mkdir", "-p", "/srv/control")
    program = Path("tests/support/evil_python.py").read_text()
    place = 'cd /usr/local/bin && printf %s "$1" >python3 && chmod 755 python3'
    evil.exec("sh", "-c", place, "sh", f"#!/usr/bin/python3\n{program}")
    words = ("all", f"{TREE}/links", f"{TREE}/files", "--overwrite", "always")
    for mode, code, text in (
        ("flood", 37, "a greeting without end"),
        # A slow one is asked before, and then its numbers are wrong.
        ("flood_later", 37, ""),
        ("early", 37, "nobody asked for"),
        ("gone", 80, "the helper on the target ended with 0"),
        ("lie", 80, "missing"),
        ("record", 0, ""),
    ):
        evil.exec("sh", "-c", f"echo {mode} >/srv/control/mode")
        done = by_stream(lab, source, f"{evil.address}:{INTO}", *words)
        assert done.rc == code, done.stdout[-3000:]
        assert text in done.stdout
    # What it has seen, by the honest helper: the content, and no secret.
    assert evil.exec("grep", "-c", "what the symlinks point at", "/srv/control/stream") != "0\n"
    for file in ("seen", "stream"):
        for secret in (lab.passphrase, "BORG_", "BORG_KEY", lab.passphrase.split()[1]):
            found = evil.exec("sh", "-c", f"grep -ac '{secret}' /srv/control/{file} || :")
            assert found == "0\n", secret
