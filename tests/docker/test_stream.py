"""stream: what it makes is what borg on the client makes, item by item and field by field; and how
it ends, whatever happens to it, or whoever is at the other end."""

from __future__ import annotations

import itertools
import json
import random
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from borgpull.borg.inside import reads
from tests.support import ends, evil_helper
from tests.support.lab import Client, Completed, Lab, docker
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
OWNER = 1000  # of the laboratory: the sidecars are not root

TREE, HAND = "/srv/data", "hand"
# A client with a Python (3.11).
IMAGE = "borgpull-borg12-client"
ATIMES = ("find", TREE, "!", "-type", "l", "-printf", "%p %A@\\n")
# What no test client has by itself: a mask that takes away, flags, an empty attribute, odd ids.
MORE = """
cd /srv/data; mkdir more; cd more
echo x >masked; setfacl -m u:alice:rwx,g:crew:rwx,m::r masked; setfattr -n user.empty masked
echo x >nodump; chattr +d nodump || :; mkdir append; chattr +d append || :
echo x >odd; chown 70001:70002 odd; setfacl -m u:70003:r odd
mkfifo pipe; ln pipe pipe-2; ln -s no/where "$(printf 'l\\351')"; echo x >"$(printf 'n\\nl')"
head -c 3000000 /dev/urandom >large; truncate -s 5M hole; : >none; touch -d 2100-01-01 future
"""
# The tree on which borg's own tests run. Two modules that borg's tests import are not there.
BORGS_OWN = f"""
import os, sys
from unittest.mock import MagicMock
sys.modules.update(dict.fromkeys(('pytest', 'dateutil', 'dateutil.tz'), MagicMock()))
from borg.testsuite.archiver import ArchiverTestCaseBase
case = ArchiverTestCaseBase()
case.input_path, case.output_path = '{TREE}/borg/input', '{TREE}/borg/output'
os.makedirs(case.input_path)
os.chdir('{TREE}/borg')
case.create_test_files()
"""
KILL_ENGINE = """
import os
for pid in filter(str.isdigit, os.listdir('/proc')):
    try:
        with open(f'/proc/{pid}/cmdline', 'rb') as file:
            words = file.read().split(bytes(1))
    except OSError:  # it has just ended
        continue
    if b'borgpull.borg.inside.stream' in words:
        os.kill(int(pid), 9)
"""
# borg stores no time before 1970, and none after 2038-01-17.
_OUT = "! -newermt '1969-12-31 23:59:59 UTC' -o -newermt '2038-01-17 03:14:07 UTC'"
OUT_OF_RANGE = f"find {TREE} ! -type s '(' {_OUT} ')' -printf x | wc -c"


@dataclass(frozen=True)
class Saved:
    """A client after its first run."""

    client: Client
    archive: str
    items: list[dict[str, Any]]  # as borg on the client makes them


@pytest.fixture(scope="module")
def saved(lab: Lab) -> Saved:
    client = lab.client(IMAGE, MANY="300")
    client.exec("sh", "-c", MORE)
    client.exec("python3", "-c", BORGS_OWN)
    before, times = client.tree(TREE), client.exec(*ATIMES)
    data = lab.pull("stream", client, TREE)["data"]
    assert client.tree(TREE) == before
    assert client.exec(*ATIMES) == times
    assert ends.ours(client) == ""
    assert (data["listings"], data["files_unchanged"]) == ("checked", 0)
    assert data["losses"] == {"times": int(client.exec("sh", "-c", OUT_OF_RANGE))}
    lab.by_hand(client, HAND, TREE)
    return Saved(client, data["archive"], items(lab, client, HAND))


def items(lab: Lab, client: Client, archive: str) -> list[dict[str, Any]]:
    """Every field that borg stores of every item, but for atime, which each reading may change."""
    text = lab.borg(client.name, "debug", "dump-archive", f"::{archive}", "-")
    found: list[dict[str, Any]] = json.loads(text)["_items"]
    for item in found:
        item.pop("atime", None)
    return found


def test_every_field_of_every_item_is_that_of_borg_on_the_client(lab: Lab, saved: Saved) -> None:
    assert len(saved.items) > 300
    fields = {name for item in saved.items for name in item}
    assert {"acl_access", "acl_default", "xattrs", "hardlink_master", "rdev", "source"} <= fields
    assert items(lab, saved.client, saved.archive) == saved.items


def test_so_are_those_of_a_whole_debian_system(lab: Lab, saved: Saved) -> None:
    """borg runs on the client here, into a repository of its own; it cuts large files elsewhere."""
    client, roots = saved.client, ("/etc", "/usr", "/home", "/root", "/opt", "/var")
    data = lab.pull("stream", client, "--name", "system", *roots)["data"]
    ours = lab.borg("system", "debug", "dump-archive", f"::{data['archive']}", "-")
    names = " ".join(path[1:] for path in roots)
    borg = "export BORG_BASE_DIR=/srv/b BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes; cd /; borg"
    client.exec("sh", "-c", f"{borg} init -e none /srv/r; borg create /srv/r::a {names}")
    theirs = client.exec("sh", "-c", f"{borg} debug dump-archive /srv/r::a -")
    client.exec("rm", "-r", "/srv/b", "/srv/r")
    assert (data["read_paths"], data["files_read"] > 4000) == ([], True)  # a first one reads all
    found = [json.loads(text)["_items"] for text in (ours, theirs)]
    for item in itertools.chain(*found):
        item.pop("atime", None)
        item.pop("chunks", None)
    assert len(found[0]) > 5000
    assert found[0] == found[1]


def test_what_is_left_out_is_what_borg_leaves_out(lab: Lab, saved: Saved) -> None:
    """The same patterns, by borg's own matcher."""
    words = ("--exclude", "srv/data/more", "--exclude", "*/f0*", "--exclude", "re:inherited$")
    data = lab.pull("stream", saved.client, "--archive", "some", *words, TREE)["data"]
    lab.by_hand(saved.client, "hand-some", *words, TREE)
    found = items(lab, saved.client, data["archive"])
    assert found == items(lab, saved.client, "hand-some")
    assert 10 < len(found) < len(saved.items)


def test_unchanged_files_are_not_read_again_whoever_was_there_meanwhile(
    lab: Lab, saved: Saved
) -> None:
    """borg itself forgets the newest file, because it may still be changing."""
    client = saved.client
    client.exec("sh", "-c", f"sleep 0.1; echo x >{TREE}/newest")
    assert "more" not in lab.pull("stream", client, TREE)["data"]["read_paths"]
    by_pipe = lab.pull("pipe", client, TREE)["data"]["archive"]
    data = lab.pull("stream", client, "--archive", "again", TREE)["data"]
    assert data["read_paths"] == [f"{TREE}/newest"]
    assert data["new_bytes"] < 100_000
    assert lab.borg(client.name, "diff", f"::{by_pipe}", data["archive"]) == ""
    client.exec("sh", "-c", f"echo y >>{TREE}/more/odd")
    changed = lab.pull("stream", client, "--archive", "changed", TREE)["data"]
    assert f"{TREE}/more/odd" in changed["read_paths"]
    assert changed["files_read"] <= 2
    lab.borg(client.name, "extract", "--dry-run", f"::{changed['archive']}")


def test_as_a_plain_user_and_by_sudo(lab: Lab, saved: Saved) -> None:
    client = saved.client
    client.exec("sh", "-c", f"mkdir -p {TREE}/closed; echo x >{TREE}/closed/file")
    client.exec("chmod", "-R", "go=", f"{TREE}/closed")
    alice = client.address.replace("root", "alice")
    words = ("stream", "--json", "--init", "--name", "alice", alice, f"{TREE}/closed")
    done = lab.plain(*words, "--archive", "one")  # both may be of the same second
    assert done.rc == 61, done.stderr
    assert f"{TREE}/closed" in done.result["failure"]["message"]
    names = ends.archive_names(lab, "alice")
    assert len(names) == 1
    assert ".unverified-" in names[0]
    client.let_sudo()
    by_sudo = lab.plain(*words, "--archive", "two", "--sudo")
    assert by_sudo.rc == 0, by_sudo.stdout
    assert by_sudo.result["data"]["items"] == {"d": 1, "-": 1}
    assert ends.archive_names(lab, "alice") == [by_sudo.result["data"]["archive"]]


HOLD = """
exec 5</p; export BORG_PASSPHRASE_FD=5 BORG_RELOCATED_REPO_ACCESS_IS_OK=yes BORG_BASE_DIR=/tmp
exec borg with-lock /repo/waiting sleep 6
"""


def test_an_archive_is_as_old_as_the_first_look_at_the_client(lab: Lab, saved: Saved) -> None:
    """The helper lists at once, and the engine may wait for somebody else's lock meanwhile."""
    words = ("stream", "--json", "--init", "--name", "waiting", saved.client.address, TREE)
    assert lab.plain(*words).rc == 0
    mounts = ["-v", f"{lab.repo}:/repo", "-v", f"{lab.key.parent}/passphrase:/p:ro"]
    user = f"{(lab.repo / 'waiting').stat().st_uid}"  # it writes to the repository
    common = ["-d", "--rm", "--label", lab.label, "--init", *mounts, "--entrypoint", "bash"]
    holder = docker("run", *common, "--user", user, "borgpull", "-c", HOLD).strip()
    wait_until((lab.repo / "waiting" / "lock.exclusive").exists)
    done = lab.plain(*words, "--lock-wait", "30")  # borg looks ten times
    docker("wait", holder, check=False)
    assert done.rc == 0, done.stdout
    assert done.result["data"]["seconds"] > 3  # it has waited
    (last,) = lab.state.rglob(f"waiting/**/{reads.LAST}")
    row = json.loads(lab.borg("waiting", "list", "--json"))["archives"][-1]
    time_of = datetime.fromisoformat(row["time"]).replace(tzinfo=UTC).timestamp()
    assert time_of <= json.loads(last.read_text())["began"] + 1


def test_a_dry_run_counts_and_writes_nothing(lab: Lab, saved: Saved) -> None:
    before = ends.archive_names(lab, saved.client.name)
    done = lab.plain("stream", "--json", "--dry-run", saved.client.address, TREE)
    assert done.rc == 0, done.stdout
    number = int(saved.client.exec("sh", "-c", f"find {TREE} ! -type s -printf x | wc -c"))
    assert done.result["data"]["items"] == number
    assert ends.archive_names(lab, saved.client.name) == before


def test_named_paths(lab: Lab, saved: Saved) -> None:
    """Each is in the archive, or the run fails; / is all, without what the kernel shows."""
    address = saved.client.address
    client = saved.client
    client.exec("sh", "-c", f"mkdir -p {TREE}/bare; ln -sfn more {TREE}/link")

    names = map(str, itertools.count())  # by default, two runs within a second have the same one

    def run(*words: str) -> Completed:
        common = ("--json", "--init", "--name", "named", "--archive", next(names), address)
        return lab.plain("stream", *common, *words)

    assert run(f"{TREE}/no-such").rc == 36
    assert run(f"{TREE}/link").rc == 36
    three = run(f"{TREE}/bare", f"{TREE}/more/odd", f"{TREE}/more/masked")
    assert three.rc == 0, three.stdout
    lost = run("--exclude", "srv/data/more/*", f"{TREE}/more")
    assert lost.rc == 63, lost.stdout
    all_of_it = run("--exclude", "usr", "/")
    assert all_of_it.rc == 0, all_of_it.stdout[-2000:]
    archive = all_of_it.result["data"]["archive"]
    found = lab.borg("named", "list", "--short", f"::{archive}").splitlines()
    assert {"etc/passwd", "proc", "srv/data/more/odd"} <= set(found)
    assert not [name for name in found if name.startswith(("proc/", "sys/", "usr"))]


def test_any_login_shell_and_what_its_profile_says(lab: Lab, saved: Saved) -> None:
    client = saved.client
    client.exec("sh", "-c", "echo 'echo hello; printf no-newline' >/root/.cshrc")
    client.exec("usermod", "--shell", "/bin/tcsh", "root")
    words = ("--name", "shell", client.address, f"{TREE}/more")
    assert lab.pull("stream", client, "--name", "shell", f"{TREE}/more")["data"]["items"]["-"] > 5
    client.exec("sh", "-c", "echo 'yes' >/root/.cshrc")
    endless = lab.plain("stream", "--json", *words)
    assert endless.rc == 37, endless.stdout
    client.exec("usermod", "--shell", "/bin/false", "root")
    none = lab.plain("stream", "--json", *words)
    client.exec("usermod", "--shell", "/bin/sh", "root")
    assert none.rc == 38, none.stdout


def test_a_client_without_python_is_told_what_works(lab: Lab) -> None:
    client = lab.client("borgpull-busybox-client", SSHD="openssh")
    done = lab.plain("stream", "--json", "--init", "--reader", "python", client.address, "/etc")
    assert done.rc == 38, done.stdout
    assert "borgpull pipe" in done.result["failure"]["hint"]


def test_whatever_is_killed_nothing_stays_and_the_next_run_is_good(lab: Lab, saved: Saved) -> None:
    client = saved.client
    client.exec("sh", "-c", f"head -c 300000000 /dev/urandom >{TREE}/random")
    dice, before = random.Random(18), ends.archive_names(lab, client.name)
    for what in ("helper", "ssh", "engine", "container"):
        client.exec("touch", f"{TREE}/random")
        run = ends.start(lab, "stream", "--compression", "none", client.address, TREE)
        ends.await_text(run, "\nsaving ")
        time.sleep(dice.uniform(0, 0.5))
        if what == "helper":
            client.exec("sh", "-c", "kill -9 $(pgrep -f borgpull-[p]ython)")
        elif what == "container":
            docker("kill", run.name, check=False)
        elif what == "engine":
            docker("exec", run.name, "python3", "-c", KILL_ENGINE)
        else:
            ends.kill_inside(run.name, "ssh", "first")
        assert run.wait(timeout=60) != 0, f"{what}: {run.output()}"
        ends.await_none_of_ours(client, 15)
        found = ends.archive_names(lab, client.name)
        assert [name for name in found if "unverified" not in name] == before
    assert lab.pull("stream", client, TREE)["data"]["items"]["-"] > 300
    lab.borg(client.name, "check", "--verify-data")
    assert not [name for name in ends.archive_names(lab, client.name) if "unverified" in name]
    assert not ends.borg_locks(lab.repo / client.name)


def test_an_engine_that_ends_before_its_orders_says_why(lab: Lab, saved: Saved) -> None:
    """Another machine's borg has the repository. The list of archives is borg's own then."""
    client = saved.client
    lock = lab.repo / client.name / "lock.exclusive"
    lock.mkdir()
    (lock / "another@1.5-0").touch()
    found = []
    for name in (saved.archive, "new"):
        words = ("--lock-wait", "0", "--archive", name, client.address, TREE)
        found.append(lab.plain("stream", "--json", *words).result["failure"]["error"])
    shutil.rmtree(lock)
    assert found == ["ArchiveExists", "RepositoryLocked"]
    assert lab.pull("stream", client, TREE)["data"]["items"]["-"] > 300


def test_a_run_that_was_cut_reads_little_again(lab: Lab, saved: Saved) -> None:
    """What a checkpoint has is known to the next run, and is an archive that does not count."""
    client, many = saved.client, 60
    client.exec(
        *("sh", "-c"),
        f"mkdir {TREE}/big; cd {TREE}/big; "
        f"for i in $(seq {many}); do head -c 2M /dev/urandom >$i; done",
    )
    words = ("--init", "--name", "cut", "--compression", "none", "--checkpoint-interval", "1")
    with ends.slow_way(lab, client) as slow:
        run = ends.start(lab, "stream", *words, slow, f"{TREE}/big")
        ends.await_text(run, "\nsaving ")
        # borg gives its index a new name at each commit. It is not asked for the archives: what
        # reads a repository may write to it, at the same time as this run.
        seen: set[str] = set()

        def committed() -> bool:
            assert run.poll() is None, run.output()
            seen.update(path.name for path in (lab.repo / "cut").glob("index.*[0-9]"))
            return len(seen) > 5

        wait_until(committed, run.output)
        run.kill()
    assert run.poll() != 0
    assert [".checkpoint" in name for name in ends.archive_names(lab, "cut")] == [True]
    done = lab.plain("stream", "--json", "--name", "cut", client.address, f"{TREE}/big")
    assert done.rc == 0, done.stdout
    assert done.result["data"]["files_read"] < many
    assert ends.archive_names(lab, "cut") == [done.result["data"]["archive"]]
    lab.borg("cut", "check", "--verify-data")


MEANWHILE = """
cd /srv/data/meanwhile; head -c 9 /dev/zero >>hold; cd then; rm one gone; mv folder elsewhere
chmod 600 mode; setfattr -n user.k -v v mode; rm pipe; mkfifo pipe; echo longer-text >text
"""


def test_what_changes_meanwhile_is_saved_as_it_is_then(lab: Lab, saved: Saved) -> None:
    """Between the listing, which goes ahead, and the reading, which a slow link holds up."""
    client = saved.client
    client.exec(
        *("sh", "-c"),
        "mkdir -p /srv/data/meanwhile/then/folder; cd /srv/data/meanwhile; "
        "head -c 12M /dev/urandom >hold; cd then; echo linked >one; ln one two; ln one three; "
        "for name in gone mode pipe text folder/in; do echo x >$name; done",
    )
    words = ("--json", "--init", "--name", "meanwhile", "--compression", "none")
    # What is on its way already is some 5 MB. The rest leaves three seconds for the changes.
    with ends.slow_way(lab, client, 2_000_000) as slow:
        # Within a folder, the order is that of the inodes, which is the file system's choice.
        paths = (f"{TREE}/meanwhile/hold", f"{TREE}/meanwhile/then")
        run = ends.start(lab, "stream", *words, slow, *paths)
        ends.await_text(run, '"progress"')
        client.exec("sh", "-c", MEANWHILE)
        assert run.wait(timeout=60) == 0, run.output()
    data = Completed(0, run.output(), "").result["data"]
    assert data["changed"] == [f"{TREE}/meanwhile/hold"]
    # `one` only if it was the first name by which its file was met.
    gone = {Path(path).name for path in data["vanished"]}
    assert gone - {"one"} == {"in", "gone"}
    text = lab.borg("meanwhile", "debug", "dump-archive", f"::{data['archive']}", "-")
    found = {Path(item["path"]).name: item for item in json.loads(text)["_items"]}
    linked = [found[name] for name in ("one", "two", "three") if name in found]
    first = [item for item in linked if "source" not in item]
    assert [(item["size"], item["hardlink_master"]) for item in first] == [(7, True)]
    assert {item["source"] for item in linked if "source" in item} == {first[0]["path"]}
    assert (found["mode"]["mode"] & 0o777, list(found["mode"]["xattrs"])) == (0o600, ["user.k"])
    assert found["pipe"]["mode"] >> 12 == 0o1
    assert found["text"]["size"] == len("longer-text\n")


def test_a_client_that_lies_is_told_apart_and_nothing_is_archived(lab: Lab) -> None:
    client = lab.client(IMAGE, SEED="0")
    source = Path(evil_helper.__file__).read_text()
    client.exec("sh", "-c", 'printf %s "$1" >/usr/local/bin/python3', "sh", source)
    client.exec("sh", "-c", "chmod 755 /usr/local/bin/python3; echo x >/srv/data/x")
    expected = {"nothing": 0, "short": 60, "ends": 34, "fails": 34}
    for lie in evil_helper.LIES:
        client.exec("sh", "-c", f"printf {lie} >/srv/control/lie")
        words = ("--init", "--archive", lie, client.address, TREE)
        done = lab.plain("stream", "--json", *words)
        assert done.rc == expected.get(lie, 37), f"{lie}: {done.stdout[-1500:]}"
    names = ends.archive_names(lab, client.name)
    assert [name.partition("-")[0] for name in names] == ["nothing", "short.unverified"]
