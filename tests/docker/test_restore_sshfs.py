"""Restores by sshfs, chroot and numeric: they lose what they say, and nothing leads them astray."""

from __future__ import annotations

import pytest

from tests.support.ends import slow_way
from tests.support.lab import Client, Completed, Lab
from tests.support.restores import (
    HOSTILE,
    INTO,
    TREE,
    cut_when,
    differences,
    far_archive,
    import_tar,
    ok,
)

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
INSTALLED = True  # clients have borg: how it gets there is tested elsewhere

MINOR = {"fine_times", "link_times"}


@pytest.fixture(scope="module")
def source(lab: Lab) -> Client:
    """A client with one archive, `all`."""
    client = lab.client(MANY="300")
    done = lab.sidecar("pipe", "--init", "--archive", "all", client.address, TREE, rung="none")
    assert done.rc == 0, done.stderr
    return client


@pytest.fixture
def target(lab: Lab) -> Client:
    return lab.client(SEED="0", SFTP_READONLY="0")


def restore(lab: Lab, source: Client, target: Client, how: str, *words: str) -> Completed:
    to = f"{target.address}:{INTO}"
    return lab.sidecar("restore", "--json", source.name, "--how", how, "--to", to, *words)


@pytest.mark.parametrize("how", ["chroot", "numeric"])
def test_what_is_lost_was_announced(
    lab: Lab, source: Client, target: Client, rsync: str, how: str
) -> None:
    # The archive has symlinks to these: owner and times set through one would change the ctime.
    outside = ("stat", "-c", "%Z %u %n", "/etc/passwd", "/etc/hostname")
    before = target.exec(*outside)
    plan = ok(restore(lab, source, target, how, "all", "--dry-run"))
    assert target.exec("ls", "-A", INTO) == ""
    done = restore(lab, source, target, how, "all")
    assert done.rc == 80, done.stdout + done.stderr
    data = done.result["data"]
    cannot = data["cannot"]
    assert plan["cannot"] == cannot
    assert data["not_restored"] == {k: v for k, v in cannot.items() if k not in MINOR}
    assert data["warnings"] == []
    assert target.exec(*outside) == before

    found: dict[str, set[str]] = {}
    for line in differences(rsync, source, target):
        flags, path = line[:11], line[12:].partition(" -> ")[0]
        kinds = {"missing"} if "+" in flags else set(flags[2:]) - {"."}
        for kind in kinds:
            found.setdefault(f"{kind}L" if flags[1] == "L" else kind, set()).add(path)
    assert found.pop("missing") == {
        f"special/{name}" for name in ("block", "char", "fifo", "socket")
    }
    assert len(found.pop("x")) == cannot.pop("xattrs")
    assert len(found.pop("a")) == cannot.pop("acls")
    assert len(found.pop("tL")) == cannot.pop("link_times")
    assert found.pop("oL") == found.pop("gL") == {"owners/link-of-alice"}
    # after-2038 is not so in the archive; the three special ones are not there at all.
    times = found.pop("t") - {"times/after-2038"}
    assert len(times) == cannot.pop("fine_times") + cannot.pop("epoch_times") - 3
    assert not found
    assert cannot == {"devices": 2, "fifos": 1, "link_owners": 1}


def test_names_or_numbers(lab: Lab, source: Client) -> None:
    """Into a machine that knows other numbers, and nothing but SFTP."""
    target = lab.client(SEED="0", SSHD_EXTRA="ForceCommand internal-sftp")
    target.exec("sh", "-c", "usermod -u 5711 alice; groupmod -g 5711 alice; groupmod -g 5712 crew")
    words = ("all", f"{TREE}/owners", "--strip", "3")
    files = ("alice", "crew", "alice-crew", "nameless", "huge-id", "home-of-alice/notes")
    stat = ["stat", "-c", "%u:%g", *(f"{INTO}/{name}" for name in files)]
    unnamed = ["54321:54322", "4294967293:4294967293"]

    done = restore(lab, source, target, "chroot", *words)
    # The owner of the one symlink, and nothing else.
    assert done.result["data"]["not_restored"] == {"link_owners": 1}, done.stdout + done.stderr
    new = ["5711:5711", "0:5712", "5711:5712", *unnamed, "5711:5711"]
    assert target.exec(*stat).split() == new

    done = restore(lab, source, target, "numeric", *words, "--overwrite", "always")
    assert done.result["data"]["not_restored"] == {"link_owners": 1}, done.stdout + done.stderr
    old = ["4711:4711", "0:4712", "4711:4712", *unnamed, "4711:4711"]
    assert target.exec(*stat).split() == old


def test_nothing_is_written_through_a_symlink(lab: Lab, source: Client, target: Client) -> None:
    """Neither on the target, nor into what the jail holds."""
    part_of_it = (f"{TREE}/links",)
    for aim, paths in (("/etc", ()), (f"/repo/{source.name}", part_of_it), ("../../tmp", ())):
        target.exec("ln", "-sfn", aim, f"{INTO}/srv")
        refused = restore(lab, source, target, "chroot", "all", *paths)
        assert refused.rc == 82, refused.stdout + refused.stderr
    # A folder of the archive takes the place of a link; a mere part of it does not.
    part = restore(lab, source, target, "chroot", "all", f"{TREE}/modes", "--overwrite", "always")
    assert (part.rc, "no folder" in part.stdout) == (82, True)
    target.exec("rm", f"{INTO}/srv")
    target.exec("mkdir", "-p", f"{INTO}{TREE}")
    target.exec("ln", "-s", "/etc", f"{INTO}{TREE}/modes")
    ok(restore(lab, source, target, "chroot", "all", f"{TREE}/modes", "--overwrite", "always"))
    assert target.exec("stat", "-c", "%F", f"{INTO}{TREE}/modes") == "directory\n"
    assert target.exec("sh", "-c", "ls -d /etc/file-* 2>/dev/null || :") == ""
    # The folder to restore into is reached by no link either.
    target.exec("ln", "-s", INTO, "/srv/control/way")
    to = ("--to", f"{target.address}:/srv/control/way/new")
    led = restore(lab, source, target, "numeric", "all", *to)
    assert (led.rc, "symlink" in led.result["failure"]["message"]) == (82, True)


@pytest.mark.parametrize("how", ["chroot", "native", "stream"])
def test_an_archive_that_leads_elsewhere(lab: Lab, how: str) -> None:
    target = lab.client("borgpull-borg12-client", SEED="0", SFTP_READONLY="0")  # it has a Python
    source = lab.client(SEED="0")
    source.exec("touch", f"{TREE}/x")
    done = lab.sidecar("stream", "--init", source.address, TREE, rung="none")
    assert done.rc == 0, done.stderr
    import_tar(lab, source, "evil", HOSTILE)
    target.exec("mkdir", "/srv/out")
    passwd = ("stat", "-c", "%h %Z", "/etc/passwd")
    before = target.exec(*passwd)
    done = restore(lab, source, target, how, "evil")
    assert done.rc == 80, done.stdout + done.stderr
    # What cannot mislead is there, and nothing is anywhere else.
    assert target.exec("find", INTO, "-type", "f") == f"{INTO}/good/file\n"
    assert target.exec("find", "/srv/out", "-mindepth", "1") == ""
    assert target.exec(*passwd) == before


def test_a_server_that_only_reads(lab: Lab, source: Client) -> None:
    target = lab.client(SEED="0")
    done = restore(lab, source, target, "numeric", "all", f"{TREE}/links")
    assert done.rc == 82
    assert "Permission denied" in done.result["failure"]["message"]
    assert target.exec("ls", "-A", INTO) == ""


def test_a_target_that_is_full_in_the_middle(lab: Lab, source: Client) -> None:
    """SFTP has no word for it: the room that is left says so. No half file stays."""
    options = ["--tmpfs", "/srv/full:size=12m"]
    target = lab.client(SEED="0", SFTP_READONLY="0", options=options)
    fill = "until [ -e /srv/full/files ]; do :; done; head -c 9m /dev/zero >/srv/full/fill"
    target.exec("sh", "-c", fill, detach=True)
    paths = (f"{TREE}/files/plain.txt", f"{TREE}/files/eio-8mib.bin")
    words = (*paths, "--strip", "2", "--to", f"{target.address}:/srv/full")
    done = restore(lab, source, target, "chroot", "all", *words)
    assert done.rc == 81, done.stdout + done.stderr
    assert target.exec("find", "/srv/full", "-name", "eio*") == ""
    target.exec("rm", "/srv/full/fill")
    ok(restore(lab, source, target, "chroot", "all", *words, "--overwrite", "changed"))


def test_holes_and_times(lab: Lab, target: Client) -> None:
    """What is written is what was counted; what SFTP would turn into another time, too."""
    source = lab.client(SEED="0")
    script = "truncate -s 64M image; mkdir far; touch -d @4294967296 far/2106; touch far/now"
    source.exec("sh", "-c", f"cd {TREE} && {script} && touch -d @-2147483648 far/1901 far")
    done = lab.sidecar("pipe", "--init", source.address, TREE, rung="none")
    assert done.rc == 0, done.stderr
    far_archive(lab, source, "far")

    data = restore(lab, source, target, "numeric", "far").result["data"]
    assert data["cannot"]["far_times"] == data["not_restored"].pop("far_times") == 3
    assert data["not_restored"] == {}
    assert int(target.exec("stat", "-c", "%b", f"{INTO}/image")) < 2 * 8192 * 2
    # What borg brings back itself is right.
    to = ("--how", "tar", "--to", f"{target.address}:/srv/control/far")
    done = lab.sidecar("restore", "--json", source.name, "far", *to, rung="none")
    assert "far_times" not in ok(done)["cannot"]
    stat = ("stat", "-c", "%Y", *(f"/srv/control/far/far/{name}" for name in (".", "1901", "2106")))
    assert target.exec(*stat).split() == ["-2147483648", "-2147483648", "4294967296"]


def test_a_link_that_dies_and_the_same_again(lab: Lab, target: Client, rsync: str) -> None:
    source = lab.client(SEED="0")
    script = (
        "for n in $(seq 24); do head -c 2500000 /dev/urandom >f$n; touch -d @1500000000 f$n; done"
    )
    source.exec("sh", "-c", f"cd {TREE} && {script} && touch -d @1500000000 .")
    done = lab.sidecar("stream", "--init", source.address, TREE, rung="none")
    assert done.rc == 0, done.stderr
    cut_when(target, f"{INTO}{TREE}", 4, "[^ ]*sftp-server")
    with slow_way(lab, target) as address:
        to = ("--how", "numeric", "--to", f"{address}:{INTO}")
        run = lab.start_sidecar("restore", "--json", source.name, "latest", *to)
        assert run.wait(120) == 34, run.output()
    assert "are missing" in run.output()

    data = ok(restore(lab, source, target, "numeric", "latest", "--overwrite", "changed"))
    assert data["skipped"] > 1
    assert differences(rsync, source, target) == []
