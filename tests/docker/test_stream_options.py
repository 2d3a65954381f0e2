"""stream: what its options leave out is what `borg create` leaves out, item by item."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from borgpull.borg.inside import brief, reads
from tests.docker.test_stream import IMAGE, items
from tests.support import ends, engine_damaged
from tests.support.lab import Client, Lab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
OWNER = 1000  # of the laboratory: the sidecars are not root
TREE = "/srv/data"
SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55"
TAGGED = f"""
cd {TREE}; mkdir -p cache/in fake short link/in loop/in fifo mark/in dir/.nobackup/in plain .dot/x
printf '{SIGNATURE}\\n# more' >cache/CACHEDIR.TAG; echo 'Signature: no' >fake/CACHEDIR.TAG
printf 'Signature: 8a' >short/CACHEDIR.TAG; ln -s ../cache/CACHEDIR.TAG link/CACHEDIR.TAG
ln -s nowhere loop/.nobackup; : >mark/.nobackup; mkdir .dot/.nobackup
echo x >dir/.nobackup/file; printf '{SIGNATURE}' >dir/.nobackup/CACHEDIR.TAG
for folder in cache fake short link loop fifo mark dir plain .dot; do echo x >$folder/content; done
ln cache/content plain/linked; ln plain/content mark/in/linked; ln cache/CACHEDIR.TAG fake/linked
mkdir mark/.nobackup.d cache/in/cache; ln -s ../cache/.nobackup dir/.nobackup/.nobackup
setfacl -m u:alice:rwx plain/content; chown alice:crew mark/content plain
"""
ROUNDS = {
    "caches": ("--exclude-caches",),
    "both": ("--exclude-caches", "--exclude-if-present", ".nobackup"),
    "kept": ("--exclude-caches", "--exclude-if-present", ".nobackup", "--keep-exclude-tags"),
    "pattern": (
        *("--exclude-caches", "--keep-exclude-tags", "--one-file-system"),
        *("--exclude", "srv/data/cache", "--exclude", "*/link/CACHEDIR.TAG"),
    ),
    "numeric": ("--numeric-ids",),
}
TAGS = {
    "caches": ["cache", "dir/.nobackup", "link"],
    "both": [".dot", "cache", "dir", "link", "mark"],
    "kept": [".dot", "cache", "dir", "dir/.nobackup", "link", "mark"],
    "pattern": ["dir/.nobackup", "link"],
}


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    client = lab.client(IMAGE, MANY="10")
    client.exec("sh", "-c", TAGGED)
    return client


def run(lab: Lab, client: Client, name: str, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = lab.pull("stream", client, "--archive", name, *words)["data"]
    return found


@pytest.mark.parametrize("name", ROUNDS)
def test_it_is_what_borg_leaves_out(lab: Lab, client: Client, name: str) -> None:
    words = ROUNDS[name]
    data = run(lab, client, name, *words, TREE)
    lab.by_hand(client, f"hand-{name}", *words, TREE)
    found = items(lab, client, name)
    assert found == items(lab, client, f"hand-{name}")
    assert len(found) > 20
    assert data["sent_bytes"] > 1000
    if name in TAGS:
        paths = [f"{TREE}/{path}" for path in TAGS[name]]
        assert (data["tagged"]["folders"], sorted(data["tagged"]["paths"])) == (len(paths), paths)
    else:
        assert "tagged" not in data


def test_another_file_system_is_told_and_a_named_one_is_saved(lab: Lab, client: Client) -> None:
    """/dev/shm is another one in each container, and so is the volume of the laboratory."""
    client.exec("sh", "-c", "mkdir /dev/shm/in; echo x >/dev/shm/in/file")
    words = ("--exclude", "sys", "--exclude", "proc", "--exclude", "usr", "--one-file-system")
    data = run(lab, client, "one", *words, "/")
    left = [item["path"] for item in data["left_out"]]
    assert TREE in left or "/srv" in left, left
    assert "unknown" not in [item["fstype"] for item in data["left_out"]], data["left_out"]
    names = lab.borg(client.name, "list", "--short", "::one").splitlines()
    assert "etc/passwd" in names
    assert not [name for name in names if name.startswith("srv/data/")]
    run(lab, client, "two", *words, "/", TREE)
    again = lab.borg(client.name, "list", "--short", "::two").splitlines()
    assert "srv/data/plain/content" in again


def test_a_named_path_with_a_tag_fails_the_run(lab: Lab, client: Client) -> None:
    words = ("--init", client.address, "--exclude-caches", f"{TREE}/cache")
    assert lab.plain("stream", "--json", *words).rc == 63


def test_the_rate_is_kept(lab: Lab, client: Client) -> None:
    client.exec("sh", "-c", f"mkdir {TREE}/big; head -c 8M /dev/urandom >{TREE}/big/file")
    begun = time.monotonic()
    data = run(lab, client, "slow", "--limit-rate", "1M", f"{TREE}/big")
    assert data["sent_bytes"] > 8 << 20
    assert time.monotonic() - begun > 7.5


def test_a_slow_link_carries_packed_content(lab: Lab, client: Client) -> None:
    text = f"mkdir {TREE}/text; seq 1 1800000 >{TREE}/text/file; seq 1 9 >{TREE}/text/small"
    client.exec("sh", "-c", text)
    size = int(client.exec("stat", "-c", "%s", f"{TREE}/text/file"))
    assert size > 12 << 20
    sent, sums = dict[str, int](), set[str]()
    with ends.slow_way(lab, client, 1_000_000) as slow:
        for how in ("auto", "off"):
            words = ("--init", "--name", f"link-{how}", "--compress-link", how)
            done = lab.plain("stream", "--json", *words, slow, f"{TREE}/text")
            assert done.rc == 0, done.stdout
            sent[how] = done.result["data"]["sent_bytes"]
            name = done.result["data"]["archive"]
            lab.borg(f"link-{how}", "check", "--verify-data")
            shown = ("list", "--format", "{sha256} {path}{NL}")
            sums.add(lab.borg(f"link-{how}", *shown, f"::{name}"))
    assert len(sums) == 1
    assert sent["off"] > size
    assert sent["auto"] < 0.7 * size


def test_a_run_that_writes_damaged_chunks_fails_and_the_next_one_saves_all(
    lab: Lab, client: Client, tmp_path: Path
) -> None:
    path = f"{TREE}/fresh"
    client.exec("sh", "-c", f"mkdir {path}; for at in $(seq 30); do echo $at >{path}/$at; done")
    broken = tmp_path / "sitecustomize.py"
    guarded = "\n    ".join(engine_damaged.FAULTS["mixed"].splitlines())
    broken.write_text(f"import sys\nif 'borgpull.borg.inside.stream' in sys.orig_argv:{guarded}\n")
    broken.chmod(0o644)
    words = ("stream", "--json", "--init", "--name", "damaged", client.address, path)
    mount = ("-v", f"{broken}:/etc/python3.13/sitecustomize.py:ro")
    done = lab.plain(*words, options=mount)
    assert done.rc == 56, done.stdout
    assert "just written is damaged" in done.result["failure"]["message"]
    assert json.loads(lab.borg("damaged", "list", "--json"))["archives"] == []
    done = lab.plain(*words, "--read-back", "1/1")
    assert done.rc == 0, done.stdout
    back = done.result["data"]["read_back"]
    assert back["chunks"] == back["new"] > 30
    lab.borg("damaged", "check", "--verify-data")
    text = lab.borg("damaged", "extract", "--stdout", f"::{done.result['data']['archive']}")
    assert sorted(map(int, text.split())) == list(range(1, 31))


# Those come first, as they have lower inodes. The helper may open so many (stream_read.py, ALONE)
# before it learns of the last listing.
MANY = """
import os, sys
os.mkdir(sys.argv[1])
for number in range(9000):
    with open(f"{sys.argv[1]}/{number}", "w") as file:
        file.write("x")
"""


def test_flags_are_saved_whenever_they_were_set(lab: Lab, client: Client) -> None:
    """Files that are as in the last listing are not opened, so that their flags are not read."""
    path = f"{TREE}/flags"
    client.exec("mkdir", path)
    client.exec("python3", "-c", MANY, f"{path}/many")
    client.exec("sh", "-c", f"mkdir {path}/z; cd {path}/z; echo x | tee a b c d; chattr +d b")
    time.sleep(brief.MARGIN + 1)
    changes = {2: "chattr +d c", 5: "chattr -d b; chattr +d d", 6: "mv d e"}
    wanted = {1: "b", 2: "bc", 5: "cd", 6: "ce"}
    have = ""
    for number in range(1, 8):
        client.exec("sh", "-c", f"cd {path}/z; {changes.get(number, ':')}")
        run(lab, client, f"flags-{number}", path)
        words = ("--format", "{flags} {path}{NL}", f"::flags-{number}", f"{path[1:]}/z")
        text = lab.borg(client.name, "list", *words)
        have = wanted.get(number, have)
        assert "".join(sorted(line[-1] for line in text.splitlines() if line[0] == "1")) == have
    (last,) = lab.state.rglob(f"{client.name}/**/{reads.LAST}")
    began = json.loads(last.read_text())["began"]
    assert began - brief.MARGIN > int(client.exec("stat", "-c", "%Z", f"{path}/z/c"))


# Of the files a to e. The keys are numbers of runs.
ATTRIBUTES = {
    1: "set a one",
    2: "set b one; set a two",
    4: "acl c; remove b; mv d e; set e one",
    5: "remove a; remove e",
}
ATTRIBUTE = """
set() { python3 -c "import os; os.setxattr('$1', 'user.k', b'$2')"; }
remove() { python3 -c "import os; os.removexattr('$1', 'user.k')"; }
acl() { setfacl -m u:alice:rwx "$1"; }
"""


def test_attributes_are_saved_whenever_they_were_set(lab: Lab, client: Client) -> None:
    """Where a file gets a new ctime with them, the helper does not ask an old one for them."""
    path = f"{TREE}/asked"
    client.exec("python3", "-c", MANY, path)
    client.exec("sh", "-c", f"cd {path}; echo x | tee a b c d")
    wanted: dict[str, bytes | str] = {}
    steps: dict[int, dict[str, bytes | str]] = {
        1: {"a": "one"},
        2: {"a": "two", "b": "one"},
        4: {"a": "two", "c": "acl", "e": "one"},
        5: {"c": "acl"},
    }
    for number in range(1, 6):
        change = f"{ATTRIBUTE} cd {path}; {ATTRIBUTES.get(number, ':')}"
        client.exec("bash", "-c", f"{change}; sleep 0.1; echo x >newest")  # which borg forgets
        if number < 3:  # its files are old in the run after it
            time.sleep(brief.MARGIN + 0.5)
        data = run(lab, client, f"asked-{number}", path)
        wanted = steps.get(number, wanted)
        found = {}
        for item in items(lab, client, f"asked-{number}")[1:]:
            value = item.get("xattrs", {}).get("user.k") or ("acl_access" in item and "acl")
            if value:
                found[item["path"][-1]] = value
        assert found == wanted, number
        if number == 3:  # nothing has changed, and none is read for what it has
            assert data["files_read"] == 1
    (last,) = lab.state.rglob(f"{client.name}/**/{reads.LAST}")
    odd = [int(client.exec("stat", "-c", "%i", f"{path}/c"))]
    assert json.loads(last.read_text())["odd"] == odd


def test_attributes_that_a_plain_user_does_not_see_are_saved_by_sudo(lab: Lab) -> None:
    """Linux hides some of them (xattr(7)). No file gets a new ctime when another one looks."""
    client = lab.client(IMAGE, options=("--cap-add", "SYS_ADMIN"), SEED="0")
    path = f"{TREE}/hidden"
    program = "import os, sys; os.setxattr(sys.argv[1], 'trusted.k', b'value')"
    client.exec("python3", "-c", MANY, path)
    client.exec("sh", "-c", f"echo x | tee {path}/a {path}/b")
    client.exec("python3", "-c", program, f"{path}/a")
    client.exec("sh", "-c", f"sleep 0.1; echo x >{path}/newest")  # which borg forgets
    client.let_sudo()
    alice = client.address.replace("root", "alice")
    words = ("stream", "--json", "--init", "--name", "hidden", alice, path)
    found = []
    time.sleep(brief.MARGIN + 0.5)
    for number, more in enumerate(((), ("--sudo",), ("--sudo",))):
        done = lab.plain(*words, *more, "--archive", f"{number}")
        assert done.rc == 0, done.stdout
        text = lab.borg("hidden", "debug", "dump-archive", f"::{number}", "-")
        found.append([item["path"][-1] for item in json.loads(text)["_items"] if "xattrs" in item])
    assert found == [[], ["a"], ["a"]]
