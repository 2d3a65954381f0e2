"""stream sends no content twice: large files that change in part, and what is moved or renamed."""

from __future__ import annotations

import json
import os
import stat
from typing import Any

import pytest

from borgpull.borg.manifest import BadManifest
from borgpull.state import manifests
from tests.support.lab import Client, Lab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
OWNER = 1000
IMAGE, TREE = "borgpull-borg12-client", "/srv/data"
MIB = 1 << 20
MAKE = f"""
mkdir -p {TREE}/tree/sub; cd {TREE}
head -c 24M /dev/urandom >large; head -c 700000 /dev/urandom >middle
for i in $(seq 300); do head -c 20000 /dev/urandom >tree/$i; done
for i in $(seq 5); do head -c 2000000 /dev/urandom >tree/sub/$i; done
setfattr -n user.k -v v tree/7; ln tree/8 tree/eight; : >tree/none
"""


def of_manifest(lab: Lab, client: Client, data: dict[str, Any]) -> list[tuple[Any, ...]]:
    """What the manifest of a run says, in the form of `of_archive`."""
    with manifests.opened(lab.state, client.name, data["archive_id"]) as entries:
        return [
            (
                *(entry.item.path, entry.item.mode, entry.item.user, entry.item.group),
                *(entry.item.target, seconds(entry.item.mtime_ns), entry.sha256 or ""),
                *(len(entry.xattrs or ()), bool(entry.item.links)),
            )
            for entry in entries
        ]


def seconds(ns: int) -> int:
    """Within what borg stores, until 2038-01-17: a manifest has what the client has."""
    return min(max(ns, 0) // 10**9, 2_147_310_847)


def plain(text: str) -> str:
    """borg's dump has a DEL and digits for what is no text."""
    return os.fsdecode(bytes.fromhex(text[1:])) if text[:1] == "\x7f" else text


def of_archive(lab: Lab, client: Client, archive: str) -> list[tuple[Any, ...]]:
    words = ("list", "--json-lines", "--format", "{sha256}", f"::{archive}")
    shown = map(json.loads, lab.borg(client.name, *words).splitlines())
    text = lab.borg(client.name, "debug", "dump-archive", f"::{archive}", "-")
    found = []
    for item, line in zip(json.loads(text)["_items"], shown, strict=True):
        mode, path = stat.filemode(item["mode"]), plain(item["path"])
        regular, source = mode[0] == "-", plain(item.get("source", ""))
        total = line["sha256"] if regular and not source else ""
        more = (
            "" if regular else source,
            seconds(item["mtime"]),
            total,
            len(item.get("xattrs", {})),
        )
        linked = regular and bool(source or item.get("hardlink_master"))
        owner = (item["user"] or item["uid"], item["group"] or item["gid"])
        found.append((path, mode, *owner, *more, linked))
    return found


def received(lab: Lab, client: Client, archive: str, *words: str) -> tuple[dict[str, Any], int]:
    """The data of a run, and the bytes that the client has sent meanwhile."""
    before = sent(client)
    data: dict[str, Any] = lab.pull("stream", client, "--archive", archive, *words, TREE)["data"]
    return data, sent(client) - before


def sent(client: Client) -> int:
    text = client.exec("cat", "/sys/class/net/eth0/statistics/tx_bytes")
    return int(text)


def same_as_by_hand(lab: Lab, client: Client, archive: str) -> None:
    """Each item is that of a full read, but for where large files are cut."""
    lab.by_hand(client, f"hand-{archive}", TREE)
    found = []
    for name in (archive, f"hand-{archive}"):
        text = lab.borg(client.name, "debug", "dump-archive", f"::{name}", "-")
        items = json.loads(text)["_items"]
        for item in items:
            item.pop("atime", None)
            if item.get("size", 0) > 512 << 10:
                item.pop("chunks", None)
        found.append(items)
    assert found[0] == found[1]
    shown = ("list", "--format", "{sha256} {path}{NL}")
    one, two = (lab.borg(client.name, *shown, f"::{n}") for n in (archive, f"hand-{archive}"))
    assert one == two


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    made = lab.client(IMAGE, MANY="100")
    made.exec("sh", "-c", MAKE)
    _, size = received(lab, made, "first")
    assert size > 38 * MIB
    return made


def test_a_touched_large_file_and_one_that_changes_in_part(lab: Lab, client: Client) -> None:
    client.exec("touch", f"{TREE}/large", f"{TREE}/middle")
    data, size = received(lab, client, "touched")
    assert f"{TREE}/large" in data["read_paths"]
    assert size < 400_000
    part = f"dd if=/dev/urandom of={TREE}/large bs=1M seek=12 count=4 conv=notrunc status=none"
    client.exec("sh", "-c", f"{part}; echo more >>{TREE}/large; truncate -s 600000 {TREE}/middle")
    data, size = received(lab, client, "part")
    assert 4 * MIB < size < 18 * MIB
    same_as_by_hand(lab, client, "part")


def test_what_is_moved_or_changes_its_owner_is_not_sent_again(lab: Lab, client: Client) -> None:
    client.exec(
        *("sh", "-c"),
        f"cd {TREE}; mv tree moved; mv large big; chown -R alice moved; mv moved/2 moved/two; "
        # Another content of the same size, in the same file:
        "dd if=/dev/urandom of=moved/two bs=20000 count=1 conv=notrunc status=none; "
        # The files cache forgets the newest: all others shall be older than a tick of the clock.
        "sleep 0.1; echo x >newest",
    )
    data, size = received(lab, client, "moved")
    assert data["files_read"] > 300
    assert size < 600_000
    same_as_by_hand(lab, client, "moved")
    data, _ = received(lab, client, "again")
    assert data["files_read"] < 5


def test_a_share_is_read_once_more_and_nothing_moves(lab: Lab, client: Client) -> None:
    words = ("--reread", "1/2", TREE)
    runs = [lab.pull("stream", client, "--archive", f"turn-{n}", *words)["data"] for n in (0, 1)]
    number = sum(run["reread"]["files"] for run in runs)
    files = int(
        client.exec("sh", "-c", f"find {TREE} -type f -size +0 -printf '%i\\n' | sort -u | wc -l")
    )
    assert files - 2 <= number <= files  # the newest one is read in any case
    assert all(run["reread"]["files"] > files / 4 for run in runs)
    assert not any(run["reread"]["differs"] for run in runs)
    assert all(run["files_read"] < 5 for run in runs)


def test_a_manifest_has_all_that_the_archive_has(lab: Lab, client: Client) -> None:
    data, _ = received(lab, client, "by-number", "--numeric-ids")
    assert of_manifest(lab, client, data) == of_archive(lab, client, "by-number")
    data, _ = received(lab, client, "told")
    assert of_manifest(lab, client, data) == of_archive(lab, client, "told")
    path = manifests.find(lab.state, client.name, data["archive_id"])
    assert path is not None
    good = path.read_bytes()
    for bad in (good[:-1], good[:2000] + b"x" + good[2001:], b""):
        path.write_bytes(bad)
        with pytest.raises(BadManifest):
            of_manifest(lab, client, data)
    path.write_bytes(good)
    before = len(list(path.parent.glob("*.manifest")))
    by_hand = [word for name in ("part", "moved") for word in ("--adopt", f"hand-{name}")]
    for words in (("acknowledge", *by_hand), ("prune", "--keep-last", "1")):
        done = lab.plain(words[0], "--json", *words[1:], client.name)
        assert done.rc == 0, done.stdout
    assert before > 2
    assert list(path.parent.glob("*.manifest")) == [path]
    data, _ = received(lab, client, "next")
    assert of_manifest(lab, client, data)
    lab.borg(client.name, "check", "--verify-data")
