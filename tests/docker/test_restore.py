"""Restores: what comes back is what was saved, and the target cannot write to the repository."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.ends import slow_way
from tests.support.lab import PLAIN, TIMEOUT, Client, Lab, docker
from tests.support.restores import (
    INTO,
    TREE,
    UNAVOIDABLE,
    compared,
    cut_when,
    differences,
    ok,
    restore,
    saved,
    set_flags,
    volume,
)

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
OWNER = 1000  # of the laboratory: the sidecars are not root
INSTALLED = True  # clients have borg: how it gets there is tested elsewhere


@pytest.fixture(scope="module")
def source(lab: Lab) -> Client:
    """A client with one archive, `all`."""
    return saved(lab)


@pytest.fixture
def target(lab: Lab) -> Client:
    return lab.client(SEED="0")


@pytest.fixture(scope="module")
def empty(lab: Lab) -> Client:
    """A target that nothing is restored to, but holes."""
    return lab.client(SEED="0", options=("--tmpfs", "/srv/small:size=12m"))


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
    }


def assert_nothing_left(client: Client) -> None:
    found = client.exec(
        "sh", "-c", "ls -d /tmp/borgpull-* /var/tmp/borgpull-* /run/borgpull-* || :"
    )
    assert not found
    assert "borg" not in client.exec("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")


def test_native_restores_everything(lab: Lab, source: Client, rsync: str) -> None:
    target = lab.client(SEED="0", installed=False)
    before = contents(lab.repo / source.name)
    plan = ok(restore(lab, source, target, "all", "--dry-run"))
    assert (plan["dry_run"], plan["overwritten"]) == (True, 0)
    assert target.exec("ls", "-A", INTO) == ""

    data = ok(restore(lab, source, target, "latest"))
    assert data["archive"] == "all"
    assert data["not_restored"] == {}
    assert data["items"] == plan["items"] > 350
    assert data["bytes"] == plan["bytes"] > 70_000_000
    assert differences(rsync, source, target) == UNAVOIDABLE
    assert contents(lab.repo / source.name) == before
    assert_nothing_left(target)

    # Not over what is there, but to finish it; and then not what is right.
    again = restore(lab, source, target, "all")
    assert again.rc == 82, again.stdout
    assert "would be overwritten" in again.result["failure"]["message"]
    tree = f"{INTO}{TREE}"
    kept = target.exec("stat", "-c", "%i", f"{tree}/many/0000/file-000007")
    script = (
        "rm links/hard-2 many/0000/file-000003 names/*caf*; rm -r owners; echo x >files/plain.txt"
    )
    target.exec("sh", "-c", f"cd {tree} && {script}")
    rest = ok(restore(lab, source, target, "all", "--overwrite", "changed"))
    assert 300 < rest["skipped"] < rest["items"] - 6
    assert differences(rsync, source, target) == UNAVOIDABLE
    assert target.exec("stat", "-c", "%i", f"{tree}/many/0000/file-000007") == kept


def test_a_read_only_volume_and_things_in_their_place(
    lab: Lab, source: Client, target: Client
) -> None:
    words = ["restore", source.name, "all", f"{TREE}/links", "--to", target.address]
    words += ["--how", "native"]
    argv = lab.command(
        *words, rung="none", options=PLAIN, passphrase=lab.passphrase, name=f"ro-{lab.id}"
    )
    mount = f"{lab.repo}:/repo"
    argv = [f"{word}:ro" if word == mount else word for word in argv]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, done.stderr
    assert target.exec("cat", f"{TREE}/links/target") == "what the symlinks point at\n"

    # At / only what is there counts; elsewhere the folder must be empty.
    place = ("all", f"{TREE}/links", "--to", target.address)
    refused = restore(lab, source, target, *place)
    assert refused.rc == 82
    assert f"{TREE}/links/target" in refused.result["failure"]["message"]
    target.exec("touch", f"{INTO}/mine")
    assert restore(lab, source, target, "all", f"{TREE}/links").rc == 82


def test_a_target_with_busybox(lab: Lab, source: Client) -> None:
    """Another sh, stat and xargs, and musl: the survey must say the same there."""
    target = lab.client("borgpull-busybox-client", SSHD="openssh")
    paths = [f"{TREE}/{name}" for name in ("links", "modes", "times")]
    to = ("--how", "native", "--to", f"{target.address}:/srv/new/folder")
    data = ok(lab.plain("restore", "--json", source.name, "all", *paths, *to))
    target.exec("rm", f"/srv/new/folder{TREE}/links/hard-1")
    again = lab.plain(
        "restore", "--json", source.name, "all", *paths, *to, "--overwrite", "changed"
    )
    # All but the three hard links, of which one was gone.
    assert ok(again)["skipped"] == len(listed_files(lab, source, paths)) - 3
    assert data["skipped"] == 0
    assert target.exec("stat", "-c", "%h", f"/srv/new/folder{TREE}/links/hard-2") == "3\n"


def listed_files(lab: Lab, source: Client, paths: list[str]) -> list[str]:
    """Regular files below these paths, by stock borg."""
    names = [path.strip("/") for path in paths]
    text = lab.borg(source.name, "list", "--format", "{type} {path}{NL}", "::all", *names)
    return [line[2:] for line in text.splitlines() if line[0] == "-"]


def test_names_or_numbers(lab: Lab, source: Client, target: Client) -> None:
    target.exec(
        "sh", "-c", "usermod -u 5711 alice && groupmod -g 5711 alice && groupmod -g 5712 crew"
    )
    owners = f"{TREE}/owners"
    names = ("alice", "crew", "alice-crew", "nameless", "huge-id")
    stat = ["stat", "-c", "%u:%g", *(f"{INTO}/{name}" for name in names)]
    # As `list` prints it.
    ok(restore(lab, source, target, "all", owners.strip("/"), "--strip", "3"))
    unnamed = ["54321:54322", "4294967293:4294967293"]
    assert target.exec(*stat).split() == ["5711:5711", "0:5712", "5711:5712", *unnamed]
    # Size and time are right by then, so that only `always` looks at owners.
    numeric = ("--strip", "3", "--numeric-ids", "--overwrite", "always")
    ok(restore(lab, source, target, "all", owners, *numeric))
    assert target.exec(*stat).split() == ["4711:4711", "0:4712", "4711:4712", *unnamed]


def test_what_another_user_cannot_restore_is_told(lab: Lab, source: Client, target: Client) -> None:
    target.exec("chown", "alice:alice", INTO)
    to = ("--how", "native", "--to", f"alice@{target.name}:{INTO}")
    paths = [f"{TREE}/owners", f"{TREE}/special/char"]
    done = lab.plain("restore", "--json", source.name, "all", *paths, *to)
    assert (done.rc, done.result["failure"]["error"]) == (80, "NotRestored")
    data = done.result["data"]
    assert data["cannot"] == {"owners": 5, "devices": 1}
    # The device is the fifth, which is not there at all.
    assert data["not_restored"] == {"owners": 4, "missing": 1}
    assert any("special/char" in path for path in data["not_restored_paths"])
    assert target.exec("stat", "-c", "%U:%G", f"{INTO}{TREE}/owners/alice") == "alice:alice\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("no-such-archive",), 48),
        (("all", f"{TREE}/files", "/srv/data/nowhere"), 83),
        (("all", "--to", "DIR/etc/passwd"), 82),
        (("all", "--to", "DIR/srv/small", TREE), 81),
        (("all", "--to", "/srv", "--how", "native"), 2),
    ],
)
def test_what_cannot_be_is_refused(
    lab: Lab, source: Client, empty: Client, words: tuple[str, ...], code: int
) -> None:
    before = empty.exec("find", "/srv", "/etc")
    done = restore(
        lab, source, empty, *(word.replace("DIR", f"{empty.address}:") for word in words)
    )
    assert done.rc == code, done.stdout + done.stderr
    assert empty.exec("find", "/srv", "/etc") == before


def test_a_sparse_file_needs_room_for_its_data_only(
    lab: Lab, source: Client, empty: Client
) -> None:
    """64 MiB with some bytes in the middle, into 12 MiB."""
    image, small = f"{TREE}/files/sparse-64mib", "/srv/small"
    to = ("all", image, "--strip", "3", "--to", f"{empty.address}:{small}")
    try:
        ok(restore(lab, source, empty, *to))
        blocks = empty.exec("stat", "-c", "%s %b", f"{small}/sparse-64mib").split()
        assert int(blocks[0]) == 64 << 20
        assert int(blocks[1]) * 512 < 12 << 20
        empty.exec("rm", f"{small}/sparse-64mib")
        # tar writes every zero.
        refused = restore(lab, source, empty, *to, "--how", "tar")
        assert refused.rc == 81, refused.stdout
        assert "--no-room-check" in refused.result["failure"]["hint"]
        assert empty.exec("ls", "-A", small) == ""
        full = restore(lab, source, empty, *to, "--how", "tar", "--no-room-check")
        assert full.rc == 81, full.stdout
        assert "no room; not restored: " in full.result["failure"]["message"]
        assert empty.exec("ls", "-A", small) == ""
    finally:
        empty.exec("sh", "-c", f"rm -rf {small}/*")


def test_a_link_that_dies_and_the_same_again(lab: Lab, target: Client, rsync: str) -> None:
    source = lab.client(SEED="0")
    script = "for n in $(seq 24); do head -c 2500000 /dev/urandom >f$n; done"
    source.exec("sh", "-c", f"mkdir {TREE}/big && cd {TREE}/big && {script}")
    lab.pull("stream", source, TREE)
    words = ["restore", "--json", "--how", "native", source.name, "latest"]
    cut_when(target, f"{INTO}{TREE}/big", 8, "sshd-session: root@")
    with slow_way(lab, target) as address:
        to = ("--to", f"{address}:{INTO}")
        run = lab.start_sidecar(*words, *to, rung="none", options=PLAIN)
        assert run.wait(120) == 34, run.output()
    told = re.search(r"about (\d+) of (\d+) items were begun, \d+ are missing", run.output())
    assert told, run.output()
    assert 8 <= int(told[1]) <= int(told[2])
    assert differences(rsync, source, target)

    data = ok(restore(lab, source, target, "latest", "--overwrite", "changed"))
    assert data["skipped"] > 5
    assert differences(rsync, source, target) == []
    assert_nothing_left(target)


# A borg that is none: it tries every call of borg's protocol that writes, with what it knows.
EVIL = """#!/usr/bin/python3
import argparse, os, sys
if "--version" in sys.argv:
    print("borg 1.2.4")
    sys.exit(0)
from borg.helpers import Location
from borg.logger import setup_logging
from borg.remote import RemoteRepository
setup_logging()
args = argparse.Namespace(umask=0o77, debug_topics=[], rsh=None, remote_path=None,
    log_level="info", log_json=True, upload_ratelimit=None, upload_buffer=None,
    storage_quota=None, debug_profile=None)
place = Location(os.environ["BORG_REPO"])
repo = RemoteRepository(place, lock=False, args=args)
key, path, log = b"k" * 32, place.path, open("/srv/control/tried", "w")
manifest = repo.get(bytes(32))
print("read", len(manifest) > 0, file=log, flush=True)
for name, words in [
    ("put", {"id": key, "data": b"x"}), ("delete", {"id": bytes(32)}),
    ("commit", {"compact": True, "save_space": False}), ("rollback", {}), ("destroy", {}),
    ("save_key", {"keydata": b"evil"}), ("commit_nonce_reservation",
        {"next_unreserved": 1 << 60, "start_nonce": 0}),
    ("check", {"repair": True, "save_space": False}),
    ("open", {"path": path, "lock": True, "exclusive": True, "lock_wait": 1}),
    ("open", {"path": path + "/new", "create": True, "lock": False}),
    ("break_lock", {}),
    ("open", {"path": "/state", "lock": False}),
]:
    try:
        print(name, "done", repr(repo.call(name, words)), file=log, flush=True)
    except BaseException as error:
        print(name, "refused", type(error).__name__, file=log, flush=True)
sys.exit(2)
"""


def test_a_hostile_target_cannot_write(lab: Lab) -> None:
    evil = lab.client("borgpull-borg12-client", MANY="10")
    lab.pull("stream", evil, f"{TREE}/links")
    local = lab.folder / "evil"
    local.write_text(EVIL)
    evil.exec("mkdir", "-p", "/srv/control")
    docker("cp", str(local), f"{evil.name}:/srv/control/borg")
    evil.exec("chmod", "755", "/srv/control/borg")
    repository = lab.repo / evil.name
    before = contents(repository)
    theirs = ("--client-borg", "/srv/control/borg")

    done = restore(lab, evil, evil, "latest", *theirs)
    assert done.rc != 0
    tried = evil.exec("cat", "/srv/control/tried").splitlines()
    assert tried[0] == "read True"  # the channel works, and reading does
    assert len(tried) == 13
    assert all(" refused " in line for line in tried[1:]), tried
    assert contents(repository) == before

    # The same program, where a client may write.
    lab.plain("pipe", "--json", evil.address, f"{TREE}/links", *theirs)
    assert "put done" in evil.exec("cat", "/srv/control/tried")
    assert contents(repository) != before


def test_local(lab: Lab, source: Client, rsync: str) -> None:
    into = lab.folder / "restored"
    into.mkdir()
    root = ["--cap-drop", "ALL", "--user", "0:0", "-v", f"{into}:/restore"]
    for name in ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "MKNOD", "SETFCAP"):
        root += ["--cap-add", name]
    words = ("restore", "--json", source.name, "all", "--to", "/restore")
    data = ok(lab.sidecar(*words, rung="none", options=root))
    assert data["to"] == "/restore"
    assert data["not_restored"] == {}
    assert compared(rsync, volume(source, TREE), str(into), TREE) == UNAVOIDABLE

    # As a user without rights most owners are not to be had, and that is no success.
    again = lab.folder / "again"
    again.mkdir(mode=0o777)
    again.chmod(0o777)
    done = lab.plain(*words, f"{TREE}/owners", options=["-v", f"{again}:/restore"])
    assert done.rc == 80
    assert done.result["data"]["not_restored"]["owners"] > 5


def test_find_and_diff(lab: Lab, source: Client) -> None:
    source.exec("sh", "-c", f"echo more >{TREE}/files/plain.txt")
    lab.pull("pipe", source, "--archive", "second", TREE)
    found = lab.plain("find", "--json", source.name, "plain.*")
    items = [event for event in found.events if event["event"] == "item"]
    path = "srv/data/files/plain.txt"
    assert [(item["archive"], item["path"]) for item in items] == [("all", path), ("second", path)]
    assert items[0]["size"] != items[1]["size"]
    assert found.result["data"] == {"found": 2, "archives": 2}
    assert "in second" in lab.plain("find", source.name, "/srv/**/pl?in.txt").stdout

    done = lab.plain("diff", "--json", source.name, "all", "second")
    changed = [event["path"] for event in done.events if event["event"] == "item"]
    assert path in changed
    (change,) = (event["changes"] for event in done.events if event.get("path") == path)
    assert next(item["new_mtime"] for item in change if "new_mtime" in item).endswith("+00:00")
    assert done.result["data"]["differences"] == len(changed)
    assert path in lab.plain("diff", source.name, "all", "latest").stdout


def test_flags_that_could_not_be_set_are_told(lab: Lab, target: Client) -> None:
    """Without a capability nobody makes a file immutable: borg has neither a code nor a word."""
    source = lab.client(SEED="0")
    script = "echo x >nodump; echo x >fixed; echo x >acl; setfacl -m u:alice:r acl"
    source.exec("sh", "-c", f"cd {TREE} && {script}")
    set_flags(source, nodump=0x40, fixed=0x10)
    try:
        lab.pull("pipe", source, TREE)
    finally:
        set_flags(source, fixed=0)
    done = restore(lab, source, target, "latest")
    assert (done.rc, done.result["failure"]["error"]) == (80, "NotRestored"), done.stdout
    assert done.result["data"]["not_restored"] == {"flags": 1}
    assert done.result["data"]["not_restored_paths"] == [f"{TREE}/fixed (flags)"]
    rest = [f"{TREE}/{name}" for name in ("nodump", "acl")]
    to = ("--how", "native", "--to", f"{target.address}:/srv/hostile/rest")
    ok(lab.plain("restore", "--json", source.name, "latest", *rest, *to))
