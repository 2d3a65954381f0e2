"""The guard's look at a manifest whose archive is still being saved."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from borgpull.borg.inside.book import Book, book
from borgpull.borg.inside.reads import Read, Reads
from borgpull.borg.inside.sums import Sums
from borgpull.ops import guarding, looking
from borgpull.ops.looking import Early
from borgpull.state import guards, manifests
from borgpull.trees.manifest import ALL
from tests.support.small_manifest import fill

WEB1, ID = "web1", "11" * 32
ARCHIVE = SimpleNamespace(name="day1", id=bytes.fromhex(ID))
READ = Reads(files=[Read("srv/a", 9, 1, None, 0)])


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "clients" / WEB1).mkdir(parents=True)
    return tmp_path


@contextlib.contextmanager
def saving(state: Path) -> Iterator[Book]:
    """An engine whose last entry has come. Its archive has no name yet."""
    with book(manifests.plan(state, WEB1, ALL), ["srv"], Sums(Path(os.devnull))) as made:
        assert made is not None
        fill(made.manifest)
        made.settle()
        yield made


def test_what_is_seen_early_is_all_there_is(state: Path) -> None:
    with saving(state) as made:
        early = Early(state, WEB1)
        with manifests.unfinished(state, WEB1) as unfinished:
            seen = early.seen(unfinished.inode)
        assert seen is not None
        made.keep(ARCHIVE)
    with manifests.skimmed(state, WEB1, ID) as found:
        late = looking.seen(state, WEB1, found)
        assert early.seen(found.inode) is seen
    assert (seen.files, seen.size, seen.sketch) == (1, 5, late.sketch)
    assert (seen.files, seen.size) == (late.files, late.size)
    assert any(seen.sketch.rows)


def test_a_good_early_look_is_not_done_again(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with saving(state) as made:
        early = Early(state, WEB1)
        assert early.seen((state / "clients/web1/manifests/new").stat().st_ino) is not None
        made.keep(ARCHIVE)
    monkeypatch.setattr(looking, "seen", lambda *_: pytest.fail("it looked again"))
    assert guarding._look(state, WEB1, ID, early).files == 1


@pytest.mark.parametrize("how", ["none", "damaged", "another"])
def test_after_a_bad_early_look_it_looks_again(state: Path, how: str) -> None:
    new = state / "clients/web1/manifests/new"
    with saving(state) as made:
        text = new.read_bytes()
        if how == "damaged":
            new.write_bytes(text[:-20])
        early = Early(state, WEB1 if how != "none" else "web2")
        assert early.seen(new.stat().st_ino + (how == "another")) is None
        new.write_bytes(text)
        made.keep(ARCHIVE)
    if how == "another":
        with manifests.skimmed(state, WEB1, ID) as found:
            early = Early(state, WEB1)  # the file has its name by now
            assert early.seen(found.inode) is None
    assert guarding._look(state, WEB1, ID, early).files == 1


@pytest.mark.parametrize(
    ("before", "reads", "files_read", "looks"),
    [
        (False, READ, 1, True),  # nothing to compare with
        (True, READ, 1, False),  # all in which this archive differs
        (True, READ, 2, True),
        (True, Reads(came=1), 0, True),
        (True, None, 0, False),  # a method that is not guarded
        (False, None, 0, False),
    ],
)
def test_it_looks_early_if_it_must_see_all_files(
    before: bool,
    reads: Reads | None,
    files_read: int,
    looks: bool,
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job: Any = SimpleNamespace(places=SimpleNamespace(state=str(state)), client=WEB1)
    scope = SimpleNamespace(sketch=SimpleNamespace(exists=lambda: before))
    monkeypatch.setattr(guarding, "_scope", lambda _job: [])
    monkeypatch.setattr(guards, "Scope", lambda *_: scope)
    assert (guarding.begin(job, reads, files_read) is not None) is looks
