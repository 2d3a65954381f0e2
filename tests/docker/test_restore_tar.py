"""Restores by tar: into a target that has no more than tar and a shell, and into a file here."""

from __future__ import annotations

import os
import signal
import subprocess
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from borgpull.client.authorized import forced_command
from tests.support.ends import slow_way
from tests.support.lab import PLAIN, Client, Completed, Lab
from tests.support.restores import (
    HOSTILE,
    INTO,
    TREE,
    UNAVOIDABLE,
    cut_when,
    differences,
    import_tar,
    ok,
    saved,
)

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
OWNER = 1000  # of the laboratory: the sidecars are not root
INSTALLED = True  # clients have borg: how it gets there is tested elsewhere

BUSYBOX = "borgpull-busybox-client"
# Where a target without a seed is free: a volume in both images.
FREE = {"borgpull-client": INTO, BUSYBOX: TREE}
# What a tar does not hold, as rsync sees it to the second.
NOT_IN_TAR = [
    ".d........x attributes/",
    ".d.......a. attributes/default-acl/",
    ".f........x attributes/capability",
    ".f........x attributes/user-xattr",
    ".f.......a. attributes/acl",
    ".f.......a. attributes/default-acl/inherited",
    ".f..t...... times/last-nanosecond",
    *UNAVOIDABLE,
]


@pytest.fixture(scope="module")
def source(lab: Lab) -> Client:
    """A client with one archive, `all`."""
    return saved(lab)


@pytest.fixture(params=FREE)
def target(lab: Lab, request: pytest.FixtureRequest) -> tuple[Client, str]:
    """A client of either kind, and a folder of it that is free. That of busybox has dropbear."""
    small = ("--tmpfs", "/srv/small:size=600k", "--tmpfs", "/srv/fixed:ro")
    return lab.client(request.param, options=small, SEED="0"), FREE[request.param]


def by_tar(lab: Lab, source: Client, to: str, *words: str) -> Completed:
    return lab.plain("restore", "--json", "--how", "tar", source.name, "--to", to, *words)


def lossy(done: Completed, **lost: int) -> dict[str, Any]:
    """The data of a restore that lost this and no more."""
    assert done.rc == (80 if lost else 0), done.stdout[-3000:] + done.stderr
    data: dict[str, Any] = done.result["data"]
    assert data["not_restored"] == lost
    assert data["not_restored_paths"] == data["warnings"] == []
    return data


def everything(client: Client) -> list[str]:
    """Sorted: overlayfs may list a folder in another order each time."""
    return sorted(client.exec("find", "/", "-xdev", "-not", "-path", "/proc/*").splitlines())


def test_only_what_was_announced_is_lost(
    lab: Lab, source: Client, target: tuple[Client, str], rsync: str
) -> None:
    client, into = target
    gnu = into == INTO
    lost = {"acls": 3, "xattrs": 3, **({} if gnu else {"link_owners": 1})}
    minor = {"fine_times": 402, "rounded_times": 2}
    if not gnu:
        minor |= {"fine_times": 391, "folder_times": 39, "link_times": 11}
    before = everything(client)

    to = f"{client.address}:{into}"
    data = lossy(by_tar(lab, source, to, "all"), **lost)
    assert data["cannot"] == {**lost, **minor}
    assert everything(client) == before
    found = differences(rsync, source, client, into=into, window=0)
    # Times alone: of folders and symlinks, where tar is busybox's; else of one folder, rounded.
    times = [line for line in found if line.startswith((".d..t...... ", ".L..t...... "))]
    if gnu:
        assert len(times) == 1
        assert sorted(set(found) - set(times)) == sorted(NOT_IN_TAR)
    else:
        # Of 39 folders two have lost more, and two are empty; of 11 symlinks one lost its owner.
        assert len(times) == 35 + 10
        kept = sorted(line[9:] for line in NOT_IN_TAR)
        link = ".. owners/link-of-alice -> alice"
        assert sorted(line[9:] for line in set(found) - set(times)) == sorted([*kept, link])
    # To the nanosecond nearly every time differs, and nothing else.
    finer = set(differences(rsync, source, client, into=into)) - set(found)
    assert {line[2:11].strip(".") for line in finer} - {"t"} <= {"t.....x", "t....a"}

    # What is cut short goes on; what is right stays as it is.
    assert by_tar(lab, source, to, "all").rc == 82
    script = "rm links/hard-2 many/0000/file-000003; rm -r owners; echo x >files/plain.txt"
    client.exec("sh", "-c", f"cd {into}{TREE} && {script}")
    again = lossy(by_tar(lab, source, to, "all", "--overwrite", "changed"), **lost)
    assert 300 < again["skipped"] < again["items"] - 6
    # busybox may have given a folder its time this time: it filled less of them.
    left = differences(rsync, source, client, into=into, window=0)
    assert left == found or (
        not gnu and {line[12:] for line in left} < {line[12:] for line in found}
    )


def test_a_full_target_and_one_that_cannot_be_written(
    lab: Lab, source: Client, target: tuple[Client, str]
) -> None:
    client, _ = target
    # 300 small files that need a page each: more than the bytes that are counted before.
    done = by_tar(lab, source, f"{client.address}:/srv/small", "all", f"{TREE}/many")
    assert (done.rc, done.result["failure"]["error"]) == (81, "TargetFull"), done.stdout
    assert "no room; not restored: " in done.result["failure"]["message"]
    assert "\n" not in done.result["failure"]["message"]
    data = done.result["data"]
    assert data["not_restored"]["missing"] > 100
    assert any("No space left on device" in text for text in data["warnings"])
    there = client.exec("find", "/srv/small", "-type", "f").split()
    assert len(there) > 50
    assert client.exec("find", "/srv/small", "-type", "f", "-size", "0") == ""  # no halves

    fixed = by_tar(lab, source, f"{client.address}:/srv/fixed", "all", f"{TREE}/many")
    assert fixed.rc == 82, fixed.stdout
    assert fixed.result["failure"]["message"].count("\n") == 0


def test_a_link_that_dies_and_the_same_again(lab: Lab, rsync: str) -> None:
    source, target = lab.client(SEED="0"), lab.client(SEED="0")
    script = "for n in $(seq 24); do head -c 2500000 /dev/urandom >f$n; done"
    source.exec("sh", "-c", f"mkdir {TREE}/big && cd {TREE}/big && {script}")
    lab.pull("stream", source, TREE)
    cut_when(target, f"{INTO}{TREE}/big", 4, "sshd-session: root@")
    with slow_way(lab, target) as address:
        words = ("restore", "--json", source.name, "latest", "--how", "tar")
        to = ("--to", f"{address}:{INTO}")
        run = lab.start_sidecar(*words, *to, rung="none", options=PLAIN)
        assert run.wait(120) == 34, run.output()
    assert "are missing" in run.output()
    assert differences(rsync, source, target, window=0)

    done = by_tar(lab, source, f"{target.address}:{INTO}", "latest", "--overwrite", "changed")
    assert ok(done)["skipped"] > 0
    assert differences(rsync, source, target, window=0) == []


def test_a_damaged_repository_is_no_success(lab: Lab, out: Path) -> None:
    """borg ends in the middle of a file: a tar alone might take that for the end."""
    client = lab.client(SEED="0")
    client.exec("sh", "-c", f"for n in 1 2 3; do head -c 3000000 /dev/urandom >{TREE}/$n; done")
    lab.pull("stream", client, TREE)
    segments = (lab.repo / client.name / "data" / "0").iterdir()
    largest = max(segments, key=lambda path: path.stat().st_size)
    with largest.open("r+b") as file:
        file.seek(largest.stat().st_size * 2 // 3)
        file.write(b"damage")
    done = by_tar(lab, client, f"{client.address}:{INTO}", "latest")
    assert done.rc == 80, done.stdout
    assert done.result["data"]["not_restored"]["missing"] >= 1
    # What is there is whole.
    assert set(client.exec("stat", "-c", "%s", *by_name(client)).split()) <= {"3000000"}
    done = into_file(lab, client, out, "damaged.tar", "latest")
    assert done.rc not in (0, 80), done.stdout
    assert list(out.glob("damaged*")) == []


def by_name(client: Client) -> list[str]:
    return client.exec("find", f"{INTO}{TREE}", "-type", "f").split()


def test_as_another_user_and_by_sudo(lab: Lab, source: Client) -> None:
    client = lab.client(SEED="0")
    # A profile that says something is no warning of tar's; one that makes tar ask is passed over.
    noise = "printf 'tar-like greeting'; echo noise >&2; export TAR_OPTIONS=--interactive"
    client.exec("sh", "-c", f'echo "{noise}" >>/home/alice/.bashrc; usermod -s /bin/bash alice')
    client.exec("sh", "-c", f"sed -i '1i {noise}' /home/alice/.bashrc; chown alice {INTO}")
    to, owners = f"alice@{client.name}:{INTO}", f"{TREE}/owners"
    done = by_tar(lab, source, to, "all", owners)
    assert done.rc == 80, done.stdout
    assert done.result["data"]["cannot"]["owners"] == 4
    # And a group of alice's own: GNU tar sets none unless it is root.
    assert done.result["data"]["not_restored"] == {"owners": 5}
    assert done.result["data"]["warnings"] == []
    assert by_tar(lab, source, to, "all", owners, "--sudo").rc == 39
    client.let_sudo()
    again = ("--sudo", "--overwrite", "always", "--numeric-ids")
    lossy(by_tar(lab, source, to, "all", owners, *again))
    assert client.exec("stat", "-c", "%u:%g", f"{INTO}{owners}/nameless") == "54321:54322\n"
    lossy(
        by_tar(
            lab,
            source,
            f"root@{client.name}:/srv/by way's",
            "all",
            owners,
            "--via",
            f"alice@{client.name}",
        )
    )


def test_a_login_shell_that_is_no_sh(lab: Lab) -> None:
    """tcsh takes no newline in a quoted word, and would find other ends of the words."""
    client = lab.client(SEED="0")
    client.exec("usermod", "-s", "/bin/tcsh", "root")
    client.exec("sh", "-c", f"cd {TREE} && echo x >it\\'s && setfacl -m u:alice:r it*")
    forced = forced_command("web1", "/repo/web1", "/bin/true", ["/it's", "/b c", "/mnt"], ["*.x"])
    answer = client.exec("tcsh", "-c", forced)
    assert "borgpull-forced '/it'\\''s' '/b c' '/mnt'\n" in answer
    assert "borgpull-empty 3 \n" in answer
    lab.pull("pipe", client, TREE)
    to = ("--to", f"{client.address}:{INTO}/it's ! for $you")
    data = lossy(lab.plain("restore", "--json", "--how", "tar", client.name, "latest", *to), acls=1)
    assert data["items"] == 2
    again = ("--overwrite", "always")
    ok(lab.plain("restore", "--json", "--how", "native", client.name, "latest", *to, *again))
    assert "user:alice:r--" in client.exec("sh", "-c", f"getfacl -cp {INTO}/it*{TREE}/it*")


def test_nothing_is_written_elsewhere(lab: Lab, target: tuple[Client, str]) -> None:
    client, into = target
    source = lab.client(SEED="0")
    source.exec("sh", "-c", f"echo x >{TREE}/x")
    lab.pull("stream", source, TREE)
    import_tar(lab, source, "evil", HOSTILE)
    client.exec("mkdir", "/srv/out")
    to = f"{client.address}:{into}"
    done = by_tar(lab, source, to, "evil")
    assert (done.rc, done.result["failure"]["error"]) == (80, "NotRestored"), done.stdout
    assert "/l/through; 3 such" in done.result["failure"]["message"]
    assert client.exec("find", into, "-mindepth", "1") == ""

    # A symlink of the target where the archive has a folder gives way.
    client.exec("ln", "-s", "/srv/out", f"{into}/good")
    data = ok(by_tar(lab, source, to, "evil", "/good", "--overwrite", "always"))
    assert data["overwritten_paths"] == ["/good"]
    assert client.exec("find", into, "-mindepth", "1", "-type", "f") == f"{into}/good/file\n"
    assert client.exec("find", "/srv/out", "-mindepth", "1") == ""


@pytest.fixture
def out(lab: Lab) -> Path:
    """A folder of the server that the container's user may write."""
    folder = lab.folder / "out"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    return folder


def into_file(lab: Lab, source: Client, out: Path, name: str, *words: str) -> Completed:
    mount = ["-v", f"{out}:/restore"]
    to = ("--to", f"/restore/{name}")
    return lab.plain("restore", "--json", source.name, *to, *words, options=mount)


def test_a_tar_file(lab: Lab, source: Client, out: Path) -> None:
    plain = [f"{TREE}/{name}" for name in ("links", "modes", "names", "owners", "special", "times")]
    data = lossy(into_file(lab, source, out, "web1.tar", "all", *plain))
    assert [path.name for path in out.iterdir()] == ["web1.tar"]
    with tarfile.open(out / "web1.tar") as tar:
        members = {member.name: member for member in tar.getmembers()}
    assert len(members) == data["items"]
    assert members["srv/data/owners/huge-id"].uid == 4294967293
    hard = [members[f"srv/data/links/{name}"] for name in ("hard-1", "hard-2", "sub/hard-3")]
    assert sorted(member.islnk() for member in hard) == [False, True, True]
    assert members["srv/data/special/char"].isdev()

    # An existing one is not replaced unless that is said; what does not fit a tar is told.
    before = (out / "web1.tar").stat()
    for words in ((), ("--overwrite", "changed")):
        refused = into_file(lab, source, out, "web1.tar", "all", *words)
        assert refused.rc == 82, refused.stdout
    assert (out / "web1.tar").stat() == before
    always = into_file(lab, source, out, "web1.tar", "all", "--overwrite", "always")
    lossy(always, acls=3, xattrs=3)
    lossy(into_file(lab, source, out, "new/web1.tar.gz", "all"), acls=3, xattrs=3)
    unpacked = subprocess.run(
        ["gzip", "-dc", str(out / "new/web1.tar.gz")], capture_output=True, check=True, timeout=60
    )
    assert unpacked.stdout == (out / "web1.tar").read_bytes()

    unknown = into_file(lab, source, out, "web1.tar.zst", "all")
    assert unknown.rc == 2
    assert unknown.result["failure"]["hint"] == "what works here: .tar, .tar.gz, .tgz"


def test_a_tar_file_is_whole_or_not_there(lab: Lab, source: Client, out: Path) -> None:
    words = ("restore", "--json", source.name, "all", "--to", "/restore/cut.tar.gz")
    run = lab.start_sidecar(*words, rung="none", options=[*PLAIN, "-v", f"{out}:/restore"])
    pid = run.pid()
    while not list(out.glob("cut.tar.gz.partial-*")):
        assert run.poll() is None, run.output()
        time.sleep(0.01)
    os.kill(pid, signal.SIGTERM)
    assert run.wait(60) == 143, run.output()
    assert list(out.glob("cut*")) == []

    full = ["--tmpfs", "/restore:size=4m,mode=1777"]
    done = lab.plain(*words, options=full)
    assert (done.rc, done.result["failure"]["error"]) == (81, "TargetFull"), done.stdout
