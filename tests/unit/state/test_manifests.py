"""What a manifest's reader refuses, and by which word: each fault has its own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from borgpull.borg.inside import manifest as writer
from borgpull.borg.inside import wire
from borgpull.borg.inside.book import book
from borgpull.borg.inside.sums import Sums
from borgpull.borg.manifest import BadManifest
from borgpull.errors import ConfigError
from borgpull.state import ledger, manifests
from borgpull.trees.manifest import ALL, Carried
from tests.support.drills import rewrite
from tests.support.small_manifest import fill, listing

WEB1 = "web1"


def make(
    state: Path,
    archive_id: str,
    carried: tuple[Carried, ...] = ALL,
    roots: tuple[str, ...] = ("srv",),
    **more: Any,
) -> Path:
    """A manifest, as the engine writes it."""
    order = manifests.plan(state, WEB1, carried, **more)
    with book(order, roots, Sums(Path(os.devnull))) as made:
        assert made is not None
        fill(made.manifest)
        made.keep(SimpleNamespace(name=f"name-{archive_id[:4]}", id=bytes.fromhex(archive_id)))
    found = manifests.find(state, WEB1, archive_id)
    assert found is not None
    return found


ONE, TWO, THREE = "11" * 32, "22" * 32, "33" * 32


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "clients" / WEB1).mkdir(parents=True)
    return tmp_path


def why(state: Path, archive_id: str) -> str:
    with pytest.raises(BadManifest) as caught, manifests.opened(state, WEB1, archive_id) as found:
        list(found)
    return caught.value.why


def key(state: Path) -> bytes:
    order = manifests.plan(state, WEB1, ALL)
    return bytes.fromhex(order["key"])


def test_what_was_written_is_read(state: Path) -> None:
    make(state, ONE)
    assert manifests.kept(state, WEB1, ONE) == {
        "number": 1,
        "entries": 2,
        "hashed": 1,
        "unsure": 0,
    }
    with manifests.opened(state, WEB1, ONE) as found:
        assert (found.number, found.archive, found.sees) == (
            *(1, "name-1111"),
            frozenset(ALL),
        )
        top, file = found
    assert (top.item.path, file.item.path, file.sha256) == ("srv", "srv/a", "73" * 32)
    assert (file.item.mtime_ns, file.ctime_ns, file.sure, file.ns) == (
        *(10**18 + 5, 10**18 + 7),
        *(True, True),
    )
    assert (file.xattrs, file.item.links, file.item.inode, file.rdev) == ({}, "", "1:9", 0)


@pytest.mark.parametrize("more", [{"carried": ()}, {"kept": ()}])
def test_what_nobody_saw_or_keeps_is_not_known(state: Path, more: dict[str, Any]) -> None:
    make(state, ONE, **more)
    with manifests.opened(state, WEB1, ONE) as found:
        assert found.sees == frozenset()
        _, file = found
    assert (file.xattrs, file.access, file.default, file.ctime_ns) == (None,) * 4
    item = file.item
    assert (item.xattrs, item.acls, item.flags, item.links, item.inode) == (None,) * 5
    assert (item.mtime_ns, file.ns) == (10**18, False)


def changed(text: str, value: object) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda facts: {**facts, text: value}


def test_each_fault_has_its_word_and_they_come_in_order(state: Path) -> None:
    one, two = make(state, ONE), make(state, TWO)
    good = two.read_bytes()
    own = key(state)
    assert why(state, THREE) == "missing"
    for bad in (b"", good[:-1], good[:40] + b"x" + good[41:]):
        two.write_bytes(bad)
        assert why(state, TWO) == "mac"
    two.write_bytes(good)
    rewrite(two, b"another key", changed("number", 2), two)
    assert why(state, TWO) == "mac"
    two.write_bytes(good)
    everything = {"number": 7, "before": "00", "id": THREE}
    for word in ("number", "predecessor", "archive"):
        rewrite(two, own, lambda facts: {**facts, **everything}, two)
        assert why(state, TWO) == word
        two.write_bytes(good)
        del everything[{"predecessor": "before", "archive": "id"}.get(word, word)]
    two.rename(two.with_name(f"00000001-{TWO}.manifest"))
    assert why(state, TWO) == "number"
    assert why(state, ONE) == "number"
    one.unlink()
    assert why(state, TWO) == "number"  # it says that it is the second one


@pytest.mark.parametrize(("version", "age"), [(1, "an older"), (9, "a newer")])
def test_another_version_is_named(
    state: Path, monkeypatch: pytest.MonkeyPatch, version: int, age: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(writer, "FORMAT", version)
        make(state, ONE)
    assert why(state, ONE) == "format"
    with pytest.raises(BadManifest, match=age), manifests.opened(state, WEB1, ONE):
        pass


def test_the_ledger_knows_a_manifest_that_is_gone(state: Path) -> None:
    make(state, ONE)
    manifests.kept(state, WEB1, ONE)
    two = make(state, TWO)
    mac = two.read_bytes()[-32:].hex()
    manifests.kept(state, WEB1, TWO)
    two.unlink()
    with pytest.raises(BadManifest, match="gone: the ledger has it as number 2"):
        manifests.opened(state, WEB1, TWO).__enter__()
    with pytest.raises(BadManifest, match="knows of none"):
        manifests.opened(state, WEB1, THREE).__enter__()
    order = manifests.plan(state, WEB1, ALL)
    assert (order["number"], order["before"]) == (3, mac)  # its number is not given again
    with pytest.raises(ConfigError):
        manifests.kept(state, WEB1, THREE)
    events = [line["event"] for line in ledger.lines(state, WEB1)]
    assert events == ["manifest", "manifest"]


def test_a_line_of_a_manifest_must_be_whole(state: Path) -> None:
    path = ledger.path_of(state, WEB1)
    path.write_text(json.dumps({"event": "manifest", "time": 1, "number": "1"}) + "\n")
    with pytest.raises(Exception, match="line 1"):
        ledger.lines(state, WEB1)


def test_what_a_stopped_writer_left_goes_with_its_run(tmp_path: Path) -> None:
    (tmp_path / "clients" / WEB1).mkdir(parents=True)
    kept = make(tmp_path, ONE)
    unfinished = kept.with_name(writer.NEW)
    with pytest.raises(ConfigError), manifests.none_unfinished(tmp_path, WEB1):
        unfinished.touch()
        raise ConfigError("stopped")
    assert not unfinished.exists()
    assert kept.exists()
    with manifests.none_unfinished(tmp_path, "never-backed-up"):
        pass


def test_whose_sums_may_be_taken_over(state: Path) -> None:
    """The newest of the same paths, else the newest; if its reader saw what a file is known by."""

    def earlier(*roots: str, carried: tuple[Carried, ...] = ALL) -> Path | None:
        return manifests.earlier(state, WEB1, roots or ("srv",), carried)

    assert earlier() is None
    make(state, "44" * 32, carried=("links", "ns"))
    assert earlier() is None
    one = make(state, ONE, kept=())  # what a method keeps in the archive is another matter
    two = make(state, TWO, roots=("etc",))
    three = make(state, THREE, carried=("links", "ns"))
    assert (earlier(), earlier("etc"), earlier("var")) == (one, two, two)
    assert earlier(carried=("links", "ctimes")) is None
    good = two.read_bytes()
    rewrite(two, b"k" * 32, lambda facts: facts, two)
    with pytest.raises(BadManifest, match="MAC"):
        earlier("etc")
    two.write_bytes(b"x")
    assert earlier() == one
    two.write_bytes(good)
    three.unlink()
    assert earlier("etc") == two


@pytest.mark.parametrize("some", [True, False])
def test_what_a_witness_is_not_sure_of_may_be_another_file(state: Path, some: bool) -> None:
    order = manifests.plan(state, WEB1, ALL, some=some)
    with book(order, ["srv"], Sums(Path(os.devnull))) as made:
        assert made is not None
        made.manifest.frame(wire.LIST, listing())
        made.manifest.record(0, 0, b"")
        made.manifest.record(1, writer.UNSURE, b"")
        made.manifest.outside([[b"away".hex(), 0o100644, 0, 0, 0, 0, 0, 0, ""]])
        made.keep(SimpleNamespace(name="name", id=bytes.fromhex(ONE)))
    with manifests.opened(state, WEB1, ONE) as found:
        sure = [(entry.sure, entry.loose) for entry in found]
    assert sure == [(True, False), (False, some), (False, False)]
    assert [*manifests.paths(state, WEB1, ONE)] == ["srv", "srv/a", "away"]
    with manifests.skimmed(state, WEB1, ONE) as skimmed:
        assert skimmed.some is some
