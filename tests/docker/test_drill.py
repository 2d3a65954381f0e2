"""Restore drills on real parts: what is restored is compared with what the client had.

The numbers of faults are those of docs/drills.md.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from borgpull.borg.inside.manifest import FORMAT
from borgpull.drills.flip import flip, flip_within, largest_segment
from borgpull.ops.private import LOCK_NAME, PRIVATE_PREFIX
from borgpull.state import ownkey
from tests.support.drills import manifests, rewrite, stand_in
from tests.support.lab import HOST_CLI, IMAGE, ROOT, TIMEOUT, Client, Completed, Lab
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

OWNER = 1000  # backups are made by that user, drills by root
PYTHON = "borgpull-borg12-client"  # the client that has one
TREE = "/srv/data"
# As programs and mail folders of Debian have it: only CAP_FSETID keeps the bit of another group.
SETGID = f"cd {TREE}; mkdir mail; echo x >chage; chgrp 42 mail chage; chmod 2755 mail chage"


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    """A client with the archives `plain`, which every way can carry, and `all`."""
    made = lab.client(PYTHON, MANY="300")
    made.exec("sh", "-c", SETGID)
    lab.pull("stream", made, "--archive", "plain", f"{TREE}/many")
    second = int(time.time())  # two archives of one second have no order
    wait_until(lambda: int(time.time()) > second)
    lab.pull("stream", made, "--archive", "all", TREE)
    return made


def data_of(done: Completed) -> dict[str, Any]:
    found: dict[str, Any] = done.result["data"]
    return found


def test_a_good_backup_passes(lab: Lab, client: Client) -> None:
    done = lab.drill(client.name)
    data = data_of(done)
    assert (done.rc, data["outcome"], data["reasons"]) == (0, "pass", [])
    assert data["isolated"] is True
    assert data["proved"] == data["restored"]
    assert data["proved"]["files"] > 300
    assert [item["seen"] for item in data["control"]] == [True] * 6
    history = lab.sidecar("drills", "--json", client.name, rung="none").result["data"]
    assert [past["outcome"] for past in history["drills"]] == ["pass"]
    assert history["last_good"] is not None


def test_the_demo_shows_a_good_and_a_spoilt_backup() -> None:
    """Where nothing is but the image."""
    words = ("drill", "--demo", "--json")
    argv = ["docker", "run", "--rm", "--network", "none", IMAGE, *words]
    ran = subprocess.run(argv, capture_output=True, timeout=TIMEOUT, check=False)
    done = Completed.of(words, ran)
    data = data_of(done)
    assert (done.rc, done.result["ok"]) == (0, True), done.stderr
    assert [data[which]["outcome"] for which in ("good", "spoilt")] == ["pass", "differs"]
    # It is missing, or empty if it was the first one: tmpfs does not always number files in turn.
    found = [(item["path"].rpartition("/")[2], item["kind"]) for item in data["spoilt"]["findings"]]
    assert ("photo.jpg", "missing") in found or ("photo.jpg", "content") in found


def test_the_demo_by_the_hosts_command(lab: Lab, tmp_path: Path) -> None:
    """By the way that needs the most. It touches nothing of the user's."""
    words = ["drill", "--demo", "--json", "--how", "numeric", "--image", IMAGE]
    words += ["--rung", "sys-admin"]
    env = {**os.environ, "BORGPULL_REPO": str(tmp_path / "repo"), "HOME": str(tmp_path)}
    ran = subprocess.run(
        [HOST_CLI, *words], env=env, capture_output=True, timeout=TIMEOUT, check=False
    )
    done = Completed.of(words, ran)
    assert done.rc == 0, done.stdout + done.stderr
    assert {data_of(done)[which]["how"] for which in ("good", "spoilt")} == {"numeric"}
    assert not list(tmp_path.iterdir())


# What happens to the client between the backup that the manifest is of and the one that is
# restored; and the kinds that a drill must find, by path below the tree.
CHANGED = """
import os, shutil, subprocess
os.chdir("/srv/data/drill")
def keeping(path, change):
    before = os.lstat(path)
    change(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns), follow_symlinks=False)
def write(at, data):
    def change(path):
        with open(path, "r+b") as file:
            file.seek(at); file.write(data)
    return change
def again(path, make):
    os.unlink(path); make(path)
os.unlink("16-dropped")
open("17-extra", "w").write("x")
keeping("18-byte", write(3_000_000, b"X"))
keeping("19-cut", lambda path: os.truncate(path, 70_000))
keeping("20-zero", write(60_000, bytes(40_000)))
keeping("21-stale", write(0, b"b" * 5000))
keeping("22-owner", lambda path: os.chown(path, 4321, 0))
keeping("24-mode", lambda path: os.chmod(path, 0o755))
keeping("25-xattr", lambda path: os.removexattr(path, "user.note"))
keeping("26-acl", lambda path: subprocess.run(["setfacl", "-b", path], check=True))
keeping("26-default", lambda path: subprocess.run(["setfacl", "-k", path], check=True))
keeping("27-capability", lambda path: os.removexattr(path, "security.capability"))
keeping("28-broken", lambda path: (shutil.copy2(path, "new"), os.replace("new", path)))
os.unlink("29-wrong"); os.link("29-other", "29-wrong")
again("30-target", lambda path: os.symlink("elsewhere", path))
again("31-device", lambda path: os.mknod(path, 0o20600, os.makedev(1, 5)))
os.chown("31-device", 0, 0)
os.utime("32-one-ns", ns=(0, 1_600_000_000_123_456_790))
os.utime("32-one-s", ns=(0, 1_600_000_001_000_000_000))
keeping("33-sparse", lambda path: open(path, "r+b").write(bytes(1 << 20)))
os.rename("34-caf\\u00e9", "34-cafe\\u0301")
os.rename("34-Case", "34-case")
shutil.rmtree("35-folder"); open("35-folder", "w").close()
"""
BEFORE = """
import os, subprocess
os.mkdir("/srv/data/drill"); os.chdir("/srv/data/drill")
big = bytes(range(256)) * 20_000
for name, data in {
    "16-dropped": b"x", "18-byte": big, "19-cut": big[:100_000], "20-zero": big[:100_000],
    "21-stale": b"a" * 5000, "22-owner": b"x", "23-name": b"x", "24-mode": b"x", "25-xattr": b"x",
    "26-acl": b"x", "27-capability": b"x", "28-broken": b"xy", "29-one": b"one", "29-other": b"o",
    "30-file": b"x", "32-one-ns": b"x", "32-one-s": b"x", "34-caf\\u00e9": b"x", "34-Case": b"x",
}.items():
    open(name, "wb").write(data)
os.mkdir("26-default"); os.mkdir("35-folder")
os.chown("23-name", 1234, 0)
os.chmod("24-mode", 0o4755)
os.setxattr("25-xattr", "user.note", b"value")
subprocess.run(["setfacl", "-m", "u:1234:rw", "26-acl"], check=True)
subprocess.run(["setfacl", "-d", "-m", "u:1234:rw", "26-default"], check=True)
os.setxattr("27-capability", "security.capability", bytes.fromhex("0100000200200000" + "00" * 12))
os.link("28-broken", "28-second"); os.link("29-one", "29-wrong")
os.symlink("30-file", "30-target")
os.mknod("31-device", 0o20600, os.makedev(1, 3))
for name in ("32-one-ns", "32-one-s"):
    os.utime(name, ns=(0, 1_600_000_000_123_456_789 if "ns" in name else 1_600_000_000 * 10**9))
with open("33-sparse", "wb") as file:
    file.truncate(1 << 20)
before = os.stat("33-sparse")
"""
EXPECTED = {
    "16-dropped": {"missing"},
    "17-extra": {"extra"},
    "18-byte": {"content"},
    "19-cut": {"size", "content"},
    "20-zero": {"content"},
    "21-stale": {"content"},
    "22-owner": {"owner", "owner name"},
    "23-name": {"owner name"},
    "24-mode": {"mode"},
    "25-xattr": {"xattr"},
    "26-acl": {"acl", "mode"},
    "26-default": {"acl"},
    "27-capability": {"capability", "xattr"},
    "28-broken": {"hard link"},
    "30-target": {"target"},
    "31-device": {"device"},
    "32-one-ns": {"time"},
    "32-one-s": {"time"},
    "34-caf\u00e9": {"missing"},
    "34-cafe\u0301": {"extra"},
    "34-Case": {"missing"},
    "34-case": {"extra"},
    "35-folder": {"type"},
}


@pytest.fixture(scope="module")
def changed(lab: Lab) -> Client:
    """A client whose archive, `later`, is not what its manifest says."""
    made = lab.client(PYTHON, MANY="0")
    made.exec("python3", "-c", BEFORE)
    made.exec("sh", "-c", "echo before:x:1234:0::/:/bin/sh >>/etc/passwd")
    lab.pull("stream", made, "--archive", "first", f"{TREE}/drill")
    made.exec("python3", "-c", CHANGED)
    made.exec("sed", "-i", "s/^before:/after:/", "/etc/passwd")
    lab.pull("stream", made, "--archive", "later", f"{TREE}/drill")
    first, later = manifests(lab.state, made.name)
    stand_in(lab.state, made.name, first, later)
    return made


def test_a_wrong_passphrase_and_a_disk_without_room(lab: Lab, client: Client) -> None:
    done = lab.drill(client.name, passphrase="wrong")
    assert (done.rc, data_of(done)["outcome"]) == (91, "could not verify")
    done = lab.drill(client.name, options=("--tmpfs", "/scratch:size=1m"))
    assert (done.rc, data_of(done)["outcome"]) == (91, "could not verify"), data_of(done)
    assert "room" in done.stdout or "free" in done.stdout


def test_the_launcher_starts_the_container(lab: Lab, client: Client, tmp_path: Path) -> None:
    """In a volume, in memory with a limit, and in a folder: without a network each time."""
    folder = tmp_path / "scratch"
    in_memory = ("--scratch", "tmpfs:256M", "--memory", "1G")
    for options in ((), in_memory, ("--scratch", str(folder))):
        done = lab.host("drill", "--json", *options, client.name)
        data = data_of(done)
        assert (done.rc, data["outcome"], data["isolated"]) == (0, "pass", True), data["reasons"]
    assert list(folder.iterdir()) == []
    done = lab.host("drill", "--json", "--scratch", "tmpfs:1M", client.name)
    assert (done.rc, data_of(done)["outcome"]) == (91, "could not verify")


def test_another_run_holds_the_lock(lab: Lab, client: Client) -> None:
    path = lab.repo / f".{client.name}.lock"
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = lab.drill(client.name, "--lock-wait", "1")
    assert (done.rc, data_of(done)["outcome"]) == (91, "could not verify")


def test_each_fault_of_an_archive_is_found(lab: Lab, changed: Client) -> None:
    done = lab.drill(changed.name)
    data = data_of(done)
    assert (done.rc, data["outcome"]) == (90, "differs")
    found: dict[str, set[str]] = {}
    for finding in data["findings"]:
        path = finding["path"].removeprefix(f"{TREE}/drill/")
        found.setdefault(path, set()).add(finding["kind"])
    lacking = {path: kinds - found.get(path, set()) for path, kinds in EXPECTED.items()}
    assert {path: kinds for path, kinds in lacking.items() if kinds} == {}
    # Whichever borg has met first counts as the name that has the content.
    assert "hard link" in found.get("29-one", set()) | found.get("29-wrong", set())
    others = found.keys() - EXPECTED.keys()
    # A file that became a name of another one; the folder, whose names have changed.
    assert others <= {
        *("28-second", "29-one", "29-other", "29-wrong", "33-sparse", f"{TREE}/drill"),
    }
    assert not found.get("33-sparse", set()) - {"time"}
    assert data["control"] == []  # nothing is spoilt where something differs


@pytest.fixture
def copy(lab: Lab, client: Client) -> Iterator[Client]:
    """Repository and state of the client may be spoilt in a test: they are put back afterwards."""
    places = [lab.repo / client.name, lab.state / "clients" / client.name]
    for place in places:
        shutil.copytree(place, f"{place}.kept", symlinks=True)
        _own(Path(f"{place}.kept"))
    yield client
    for place in places:
        shutil.rmtree(place)
        Path(f"{place}.kept").rename(place)


def _own(folder: Path) -> None:
    shutil.chown(folder, OWNER, OWNER)
    for path in folder.rglob("*"):
        shutil.chown(path, OWNER, OWNER)


def segments(lab: Lab, client: Client) -> list[Path]:
    return sorted(
        (lab.repo / client.name / "data" / "0").iterdir(), key=lambda path: int(path.name)
    )


def largest(lab: Lab, client: Client) -> Path:
    return largest_segment(lab.repo / client.name)


def _flip(lab: Lab, client: Client) -> None:
    flip_within(lab.repo / client.name)


def _truncate(lab: Lab, client: Client) -> None:
    path = largest(lab, client)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def _remove(lab: Lab, client: Client) -> None:
    largest(lab, client).unlink()


def _delete_archive(lab: Lab, client: Client) -> None:
    lab.borg(client.name, "delete", "::all")


def _replace_archive(lab: Lab, client: Client) -> None:
    lab.borg(client.name, "delete", "::all")
    lab.borg(client.name, "create", "::all", "/etc/hostname")


def _empty_archive(lab: Lab, client: Client) -> None:
    lab.borg(client.name, "delete", "::all")
    lab.borg(client.name, "create", "--pattern", "- **", "::all", "/etc/hostname")


def _key(lab: Lab, client: Client) -> None:
    config = lab.repo / client.name / "config"
    text = config.read_text()
    at = text.index("key = ") + 60
    config.write_text(text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :])


def _unreadable(lab: Lab, _: Client) -> list[str]:
    """The disk fails, with EIO, where a large chunk is to be read."""
    return _fails(lab, 5, "read", "pread64")


def _without_room(lab: Lab, _: Client) -> list[str]:
    """The scratch folder is full when a large chunk is to be written."""
    return _fails(lab, 28, "write", "pwrite64")


def _fails(lab: Lab, errno: int, *calls: str) -> list[str]:
    large = {"index": 2, "value": 1_200_000, "op": "SCMP_CMP_GE"}  # the length; ours ask for less
    fails = {"names": [*calls], "action": "SCMP_ACT_ERRNO", "errnoRet": errno}
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{**fails, "args": [large]}]}
    path = lab.folder / "fails.json"
    path.write_text(json.dumps(profile))
    return ["--security-opt", f"seccomp={path}"]


def _half(lab: Lab, client: Client) -> None:
    """A part of the archive, as a checkpoint has it, gets the whole one's name."""
    words = ("--exclude", f"{TREE[1:]}/many", "--target", "all.checkpoint")
    lab.borg(client.name, "recreate", *words, "::all")
    lab.borg(client.name, "delete", "::all")
    lab.borg(client.name, "rename", "::all.checkpoint", "all")


def _another_client(lab: Lab) -> str:
    """One with an archive of the same name."""
    name = f"other-{uuid.uuid4().hex[:8]}"
    lab.borg(name, "init", "-e", "repokey-blake2")
    lab.borg(name, "create", "::all", "/etc/hostname")
    return name


def _archive_of_another(lab: Lab, client: Client) -> None:
    """It has the same name, and the same time."""
    other = lab.repo / _another_client(lab)
    when = lab.borg(client.name, "info", "--json", "::all")
    start = json.loads(when)["archives"][0]["start"].partition(".")[0]
    lab.borg(other.name, "export-tar", "::all", f"/repo/{other.name}/tar")
    _own(other)
    lab.borg(client.name, "delete", "::all")
    words = ("--timestamp", start, "::all", f"/repo/{other.name}/tar")
    lab.borg(client.name, "import-tar", *words)
    shutil.rmtree(other)


def _repository_of_another(lab: Lab, client: Client) -> None:
    other = lab.repo / _another_client(lab)
    shutil.rmtree(lab.repo / client.name)
    other.rename(lab.repo / client.name)


def _edited(lab: Lab, client: Client) -> None:
    flip(manifests(lab.state, client.name)[-1], 200)


def _cut(lab: Lab, client: Client) -> None:
    path = manifests(lab.state, client.name)[-1]
    path.write_bytes(path.read_bytes()[:-100])


def _forged(lab: Lab, client: Client) -> None:
    path = manifests(lab.state, client.name)[-1]
    rewrite(path, b"k" * 32, lambda facts: facts, path)


def _of_another(lab: Lab, client: Client) -> None:
    path = manifests(lab.state, client.name)[-1]
    key = ownkey.key(lab.state, client.name, "manifest")
    rewrite(path, key, lambda facts: {**facts, "id": "0" * 64}, path)


def _missing(lab: Lab, client: Client) -> None:
    manifests(lab.state, client.name)[-1].unlink()


def _roll_back(lab: Lab, client: Client) -> None:
    """The repository as it was before the newest archive; the state is not."""
    place = lab.repo / client.name
    shutil.copytree(place, f"{place}.old", symlinks=True)
    lab.pull("stream", client, "--archive", "newer", TREE)
    shutil.rmtree(place)
    Path(f"{place}.old").rename(place)
    _own(place)


def _without_index(lab: Lab, client: Client) -> None:
    for path in (lab.repo / client.name).glob("index.*"):
        path.unlink()


def _cut_index(lab: Lab, client: Client) -> None:
    for path in (lab.repo / client.name).glob("index.*"):
        with path.open("r+b") as file:
            file.truncate(100)


def _older(lab: Lab, client: Client) -> None:
    """A manifest of an older format."""
    path = manifests(lab.state, client.name)[-1]
    key = ownkey.key(lab.state, client.name, "manifest")
    text = path.read_bytes()
    own = b'"format": %d' % FORMAT
    assert own in text
    path.write_bytes(text.replace(own, b'"format": 1', 1))
    rewrite(path, key, lambda facts: facts, path)


# What spoils it, which may give options for the container; the exit code; a word of the reasons.
FAULTS: dict[str, tuple[Callable[[Lab, Client], list[str] | None], int | None, str]] = {
    "1-flipped": (_flip, 90, ""),
    "2-truncated": (_truncate, 90, ""),
    "3-segment": (_remove, 91, "borg failed"),  # all of it: borg cannot even list
    "4-no-index": (_without_index, None, ""),
    "5-cut-index": (_cut_index, None, ""),
    "6-rolled-back": (_roll_back, 90, "older than what is known"),
    "39-older": (_older, 91, "format"),
    "7-deleted": (_delete_archive, 90, "vanished"),
    "8-replaced": (_replace_archive, 90, "vanished"),
    "9-key": (_key, 91, ""),
    "12-unreadable": (_unreadable, 91, "broke off"),  # now: the backup may be whole
    "13-half": (_half, 90, "vanished"),
    "14-empty": (_empty_archive, 90, "vanished"),
    "15-another": (_archive_of_another, 90, "vanished"),
    "15-repository": (_repository_of_another, 90, "vanished"),
    "36-edited": (_edited, 91, "manifest"),
    "36-cut": (_cut, 91, "manifest"),
    "36-forged": (_forged, 91, "manifest"),
    "37-another": (_of_another, 91, "manifest"),
    "38-missing": (_missing, 91, "manifest"),
    "41-no-room": (_without_room, 91, "no room"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_repository_or_of_the_evidence(lab: Lab, copy: Client, name: str) -> None:
    spoil, code, word = FAULTS[name]
    done = lab.drill(copy.name, options=spoil(lab, copy) or ())
    data = data_of(done)
    if code is None:  # borg may make a new index, or may not: never is it a wrong pass
        assert done.rc in (90, 91) or data["proved"] == data["restored"] != 0
        return
    assert done.rc == code, (data["reasons"], done.stderr)
    assert word in "; ".join(data["reasons"]), data["reasons"]
    assert data["control"] == []


def test_a_spoilt_file_is_told_though_borg_gets_nothing_out(lab: Lab) -> None:
    """It is the first one. borg ends at once, and what was restored is looked at all the same."""
    made = lab.client(PYTHON)
    made.exec("sh", "-c", f"mkdir {TREE}/one; head -c 300000 /dev/urandom >{TREE}/one/photo")
    lab.pull("stream", made, f"{TREE}/one")
    _flip(lab, made)
    done = lab.drill(made.name)
    data = data_of(done)
    assert (done.rc, data["outcome"]) == (90, "differs")
    assert "damaged" in data["reasons"][0]
    assert f"{TREE}/one/photo" in {item["path"] for item in data["findings"]}
    assert data["proved"]["files"] == 0


# 40: why a drill of the host's command cannot run, or not to its end.
CANNOT: dict[str, tuple[list[str], dict[str, str], str]] = {
    "no-image": (["--image", "no-such-image"], {}, "no image no-such-image"),
    "no-engine": ([], {"DOCKER_HOST": "unix:///no/such/docker.sock"}, "no Docker engine"),
    "no-memory": (["--memory", "16M"], {}, "137"),
}


@pytest.mark.parametrize("name", CANNOT)
def test_a_drill_that_cannot_run_is_not_green(
    lab: Lab, client: Client, tmp_path: Path, name: str
) -> None:
    """It has its outcome and its reports all the same, and nothing in the state says it ran."""
    words, environment, reason = CANNOT[name]
    drills = lab.state / "clients" / client.name / "drills"
    before = {path.name: path.read_bytes() for path in drills.glob("*")}
    argv = lab.host_argv("drill", "--json", "--report", str(tmp_path), *words, client.name)
    env = {**os.environ, **environment}
    done = Completed.of(["drill"], subprocess.run(argv, capture_output=True, env=env, check=False))
    data = data_of(done)
    assert (done.rc, data["outcome"]) == (91, "could not verify"), done.stderr
    assert reason in data["reasons"][0]
    assert 'errors="1"' in (tmp_path / "junit.xml").read_text()
    assert {path.name: path.read_bytes() for path in drills.glob("*")} == before


MOUNTS = """
- name: mounts
  run: mount -t tmpfs none "$BORGPULL_RESTORED/srv/data/times"
  chroot: false
"""


def test_what_cannot_be_cleaned_up_is_an_error(lab: Lab, client: Client, tmp_path: Path) -> None:
    """43: a folder of the restored tree cannot be removed, as something is mounted there."""
    (tmp_path / "checks.yaml").write_text(MOUNTS)
    mount = ["-v", "/scratch", "-v", f"{tmp_path}/checks.yaml:/checks.yaml:ro"]
    able = ["--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined"]
    done = lab.drill(client.name, "--check", "/checks.yaml", options=[*mount, *able])
    data = data_of(done)
    assert data["checks"][0]["outcome"] == "pass", data["checks"]
    assert (done.rc, data["outcome"]) == (93, "error"), data["reasons"]
    assert "could not be removed" in data["reasons"][0]


@pytest.mark.parametrize("how", ["stream", "tar"])
def test_each_way_of_restoring_can_be_drilled(lab: Lab, client: Client, how: str) -> None:
    done = lab.drill(client.name, "--how", how)
    data = data_of(done)
    assert data["how"] == how
    assert data["proved"]["files"] > 300, (data["reasons"], done.stderr)
    assert done.rc == (90 if how == "tar" else 0), data["reasons"]


@pytest.mark.parametrize(("how", "archive"), [("native", "all"), ("numeric", "plain")])
def test_ways_with_a_borg_there_and_with_a_mount(
    lab: Lab, client: Client, changed: Client, how: str, archive: str, tmp_path: Path
) -> None:
    """As the host's launcher confines them: by a read-only root, and without a network."""
    left = tmp_path / f"{PRIVATE_PREFIX}killed"  # by an earlier drill
    left.mkdir()
    (left / LOCK_NAME).touch()
    words = ("--archive", archive, "--how", how, "--scratch", str(tmp_path))
    done = lab.host("drill", "--json", client.name, *words)
    data = data_of(done)
    assert (done.rc, data["outcome"], data["reasons"]) == (0, "pass", []), done.stderr
    assert (data["how"], data["isolated"]) == (how, True)
    assert data["proved"] == data["restored"]
    assert data["proved"]["files"] >= 300
    assert not list(tmp_path.iterdir())
    done = lab.host("drill", "--json", changed.name, "--how", how)
    data = data_of(done)
    assert (done.rc, data["outcome"]) == (90, "differs"), (data["reasons"], done.stderr)
    found = {(item["path"].rpartition("/")[2], item["kind"]) for item in data["findings"]}
    assert {("18-byte", "content"), ("16-dropped", "missing"), ("24-mode", "mode")} <= found


def test_parts_prove_each_file_once(lab: Lab, client: Client) -> None:
    drills = [data_of(lab.drill(client.name, "--sample", "1/3")) for _ in range(3)]
    assert {drill["outcome"] for drill in drills} == {"pass"}
    assert sorted(drill["sample"] for drill in drills) == ["1/3", "2/3", "3/3"]
    every = drills[0]["coverage"]["all"]
    assert sum(drill["proved"]["files"] for drill in drills) == every["files"]
    assert sum(drill["proved"]["bytes"] for drill in drills) == every["bytes"]


def test_no_check_runs_on_a_part(lab: Lab, client: Client) -> None:
    """It would say no of what is in another part."""
    done = lab.drill(client.name, "--sample", "1/3", "--check", "no=false")
    data = data_of(done)
    assert (done.rc, data["outcome"]) == (91, "could not verify"), data["reasons"]
    assert "--sample" in data["checks"][0]["detail"]


# A check, and its outcome.
CHECKS = {
    "good": ("test -f /etc/passwd", "pass"),
    "says-no": ("false", "differs"),
    "not-there": ("no-such-program", "could not verify"),
    "killed": ("kill -9 $$", "could not verify"),
    "loud": ("yes", "could not verify"),
    "calls-home": ("getent hosts borgpull.example || exit 3", "differs"),
    "stays": ("sleep 1000 >/dev/null 2>&1 & true", "pass"),
}
BOOTS = """
- name: sshd boots, and somebody logs in
  run: |
    ssh-keygen -q -t ed25519 -N '' -f /root/drill && mkdir -p -m 700 /root/.ssh /run/sshd
    cp /root/drill.pub /root/.ssh/authorized_keys; ssh-keygen -A
    /usr/sbin/sshd -p 2222 -o UsePAM=no -o PermitRootLogin=yes -o StrictModes=no
    until ssh-keyscan -p 2222 127.0.0.1 2>/dev/null | grep -q ssh-; do sleep 0.1; done
    ssh -i /root/drill -o StrictHostKeyChecking=accept-new -p 2222 root@127.0.0.1 echo logged in
  output: ^logged in$
  timeout: 60
- name: too slow
  run: sleep 100
  timeout: 1
"""


@pytest.fixture(scope="module")
def machine(lab: Lab) -> Client:
    """A whole Debian machine, saved but for what its kernel makes."""
    made = lab.client(PYTHON, MANY="0")
    words = [word for name in ("proc", "sys", "dev", "srv") for word in ("--exclude", f"pp:{name}")]
    lab.pull("stream", made, "--archive", "root", *words, "/")
    return made


def test_a_whole_machine_boots_from_its_restore(lab: Lab, machine: Client, tmp_path: Path) -> None:
    (tmp_path / "checks.yaml").write_text(BOOTS)
    words = [word for name, (run, _) in CHECKS.items() for word in ("--check", f"{name}={run}")]
    mount = ("-v", "/scratch", "-v", f"{tmp_path}/checks.yaml:/checks.yaml:ro")
    done = lab.drill(machine.name, *words, "--check", "/checks.yaml", options=mount)
    data = data_of(done)
    assert data["differs"] == {}, data["findings"]
    found = {one["name"]: one["outcome"] for one in data["checks"]}
    wanted = {name: outcome for name, (_, outcome) in CHECKS.items()}
    wanted |= {"sshd boots, and somebody logs in": "pass", "too slow": "could not verify"}
    boots = data["checks"][-2]["output"]
    assert found == wanted, boots
    assert done.rc == 90


def test_the_reports_are_written(lab: Lab, client: Client, tmp_path: Path) -> None:
    """As the documents say; the signature is verified by ssh-keygen alone."""
    done = lab.drill(client.name, "--report", "/report", options=("-v", f"{tmp_path}:/report"))
    assert done.rc == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        *("junit.xml", "summary.md", "drill.html"),
        *("drill.json", "drill.json.sig", "allowed_signers"),
    }
    verify = ["ssh-keygen", "-Y", "verify", "-f", "allowed_signers", "-I", "borgpull"]
    verify += ["-n", "borgpull-drill", "-s", "drill.json.sig"]
    record = (tmp_path / "drill.json").read_bytes()
    for text, code in ((record, 0), (record.replace(b"pass", b"fail", 1), 255)):
        found = subprocess.run(verify, input=text, cwd=tmp_path, check=False, capture_output=True)
        assert found.returncode == code, found.stderr
    (tmp_path / "junit.xml").unlink()
    (tmp_path / "junit.xml").mkdir()  # so that none can be written there
    done = lab.drill(client.name, "--report", "/report", options=("-v", f"{tmp_path}:/report"))
    assert (done.rc, data_of(done)["outcome"]) == (93, "error")


def test_the_script_of_the_examples(lab: Lab, client: Client, tmp_path: Path) -> None:
    """A drill that is not green leaves its report and its exit code, too."""
    key = lab.passphrase_path()
    for client_name, code in ((client.name, 0), ("nobody", 91)):
        env = {
            **os.environ,
            "BORGPULL_REPO": str(lab.repo),
            "BORGPULL_STATE": str(lab.state),
            "BORGPULL_PASSPHRASE_FILE": str(key),
            "BORGPULL_IMAGE": IMAGE,
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        }
        argv = ["sh", str(ROOT / "examples" / "drill.sh"), client_name]
        done = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == code, done.stderr
        assert (tmp_path / "drill-report" / "junit.xml").is_file()
    assert "nobody" in (tmp_path / "summary").read_text()
