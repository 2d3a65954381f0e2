"""The guard's look at a manifest whose archive is still being saved."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from borgpull.borg.inside import wire
from borgpull.borg.inside.book import Book, book
from borgpull.borg.inside.extras import NO_EXTRA
from borgpull.borg.inside.manifest import HARD, PACKS, START
from borgpull.borg.inside.reads import Read, Reads
from borgpull.borg.inside.records import Record
from borgpull.borg.inside.slots import Slot
from borgpull.borg.inside.sums import Sums
from borgpull.guard import compare, sketch
from borgpull.guard.compare import Change
from borgpull.guard.figures import Figures, nothing
from borgpull.guard.look import Look, Seen
from borgpull.ops import earlylook, guarding
from borgpull.ops.earlylook import Early
from borgpull.state import guards, manifests, ownkey
from borgpull.trees.manifest import ALL
from tests.support.small_manifest import FILE, fill, row

WEB1, ID = "web1", "11" * 32
NEW = "clients/web1/manifests/new"
ARCHIVE = SimpleNamespace(name="day1", id=bytes.fromhex(ID))
READ = Reads(before=ID, files=[Read("srv/a", 9, 1, None, 0)])


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
        yield made


def looked(state: Path, client: str = WEB1) -> Early:
    """A look that is through, whatever it has seen."""
    early = Early(lambda: earlylook.whole(state, client))
    early._found.exception()
    return early


def kept(state: Path, early: Early) -> Seen | None:
    with manifests.skimmed(state, WEB1, ID) as found:
        return earlylook.of_kept(early, found)


def test_what_is_seen_early_is_all_there_is(state: Path) -> None:
    with saving(state) as made:
        made.settle()
        early = looked(state)
        made.keep(ARCHIVE)
    seen = kept(state, early)
    with manifests.skimmed(state, WEB1, ID) as found:
        late = earlylook.seen(state, WEB1, found)
    assert seen == late
    assert (late.entries, late.files, late.size) == (2, 1, 5)
    assert any(late.sketch.rows)


def test_a_good_early_look_is_not_done_again(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with saving(state) as made:
        made.settle()
        early = looked(state)
        made.keep(ARCHIVE)
    monkeypatch.setattr(earlylook, "seen", lambda *_: pytest.fail("it looked again"))
    assert guarding._look(state, WEB1, ID, early).files == 1


def _too_early(state: Path, _made: Book) -> Early:
    return looked(state)


def _elsewhere(state: Path, made: Book) -> Early:
    made.settle()
    return looked(state, "web2")


def _another_file(state: Path, made: Book) -> Early:
    made.settle()
    text = (state / NEW).read_bytes()
    (state / "clients/web2/manifests").mkdir(parents=True)
    (state / "clients/web2/manifests/new").write_bytes(text)
    return looked(state, "web2")


def _cut(state: Path, made: Book) -> Early:
    made.settle()
    text = (state / NEW).read_bytes()
    (state / NEW).write_bytes(text[:-20])
    early = looked(state)
    (state / NEW).write_bytes(text)
    return early


def _no_object(state: Path, made: Book) -> Early:
    made.settle()
    text = (state / NEW).read_bytes()
    (state / NEW).write_bytes(wire.HEAD.pack(START, 2) + b"[]")
    early = looked(state)
    (state / NEW).write_bytes(text)
    return early


@pytest.mark.parametrize("look", [_too_early, _elsewhere, _another_file, _cut, _no_object])
def test_after_a_bad_early_look_it_looks_again(
    look: Callable[[Path, Book], Early], state: Path
) -> None:
    with saving(state) as made:
        early = look(state, made)
        made.keep(ARCHIVE)
    assert kept(state, early) is None
    assert guarding._look(state, WEB1, ID, early).files == 1


def test_a_look_at_the_first_frames_alone_does_not_count(state: Path) -> None:
    """As after a disk that was full for a moment: it ends where a frame ends."""
    with saving(state) as made:
        made.settle()
        early = looked(state)
        slot = Slot(2, "srv/b", FILE, NO_EXTRA, 0)
        slot.status, slot.item = "A", {}
        made.manifest.frame(wire.LIST, zlib.compress(row(1, b"b", FILE)))
        made.manifest.saved(slot)
        made.keep(ARCHIVE)
    assert kept(state, early) is None
    assert guarding._look(state, WEB1, ID, early).files == 2


def test_a_manifest_that_could_not_be_written_is_not_kept(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its MAC may be wrong by then, though there is room again."""
    with saving(state) as made:
        with monkeypatch.context() as full:
            full.setattr(made.manifest, "frame", _full)
            made.settle()
        made.keep(ARCHIVE)
    assert manifests.find(state, WEB1, ID) is None


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "full")


def test_without_a_thread_it_looks_later(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(_thread: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none_left)
    assert begun(state, monkeypatch, had=False, reads=READ, files_read=1) is None


def begun(
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    had: bool,
    reads: Reads | None,
    files_read: int,
    came: int = 0,
) -> Early | None:
    """`had`: was there a good run of these paths before? `came`: how many files are new."""
    job: Any = SimpleNamespace(places=SimpleNamespace(state=str(state)), client=WEB1)
    monkeypatch.setattr(guarding, "_scope", lambda _job: [])
    if had:
        scope = guards.Scope(state, WEB1, [])
        scope.make()
        scope.sketch.touch()
        scope.keep({**nothing("day1", ID, ""), "items": {"-": 2}})
    return guarding.begin(job, reads, files_read, {"-": 2 + came}, 0)


@pytest.mark.parametrize(
    ("had", "reads", "files_read", "came", "looks"),
    [
        (False, READ, 1, 0, "whole"),  # nothing to compare with
        (True, READ, 1, 0, "again"),  # all in which this archive differs
        (True, READ, 1, 1, "whole"),
        (True, READ, 2, 0, "whole"),
        (True, Reads(before="another", files=READ.files), 1, 0, "whole"),
        (True, Reads(before=ID, came=1), 0, 0, "whole"),
        (True, Reads(before=ID), 0, 0, ""),  # an archive like the last one
        (True, None, 0, 0, ""),  # a method that is not guarded
        (False, None, 0, 0, ""),
    ],
)
def test_it_looks_early_at_what_it_must_see(
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    had: bool,
    reads: Reads | None,
    files_read: int,
    came: int,
    looks: str,
) -> None:
    looked: list[str] = []
    monkeypatch.setattr(earlylook, "whole", lambda *_: looked.append("whole"))
    monkeypatch.setattr(earlylook, "again", lambda *_: looked.append("again"))
    found = begun(state, monkeypatch, had=had, reads=reads, files_read=files_read, came=came)
    if found is not None:
        found.found()
    assert looked == [looks] * bool(looks)
    assert had or not guards.folder_of(state, WEB1).exists()


def last_run(state: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, guards.Scope, Figures]:
    """A job; its scope, with a run of two files; and the figures of that run."""
    scope = guards.Scope(state, WEB1, [])
    scope.make()
    look = Look(ownkey.key(state, WEB1, "guard"))
    folder = FILE._replace(st_mode=stat.S_IFDIR | 0o755)
    entries = [("srv", folder, None), ("srv/a", FILE, b"a" * 32), ("srv/b", FILE, b"b" * 32)]
    look.take(
        Record(path, path.count("/"), st, b"", HARD if found else 0, found, "")
        for path, st, found in entries
    )
    compare.learn(look.seen)
    look.seen.sketch.write(scope.sketch)
    figures = nothing("day1", ID, "2026-11-30T00:00:00+00:00")
    figures["files"], figures["bytes"], figures["content"] = 2, 10, 10
    scope.keep(figures)
    monkeypatch.setattr(guarding, "_scope", lambda _job: [])
    job: Any = SimpleNamespace(places=SimpleNamespace(state=str(state)), client=WEB1)
    return job, scope, figures


@pytest.mark.parametrize("tripped", [False, True])
def test_by_the_files_that_were_read_it_sees_the_same_early_and_late(
    state: Path, monkeypatch: pytest.MonkeyPatch, *, tripped: bool
) -> None:
    job, scope, last = last_run(state, monkeypatch)
    if tripped:  # what it knows is to be recalled before anything is compared
        scope.tripped.write_bytes(scope.sketch.read_bytes())
    now: Any = {**last, "content": 14}
    reads = Reads(before=ID, files=[Read("srv/a", 9, 1, "aa" * 32, PACKS)])
    late = guarding._again(job, scope, last, now, reads, None)
    assert late is not None
    assert (late.change is None) is tripped
    assert tripped or late.change == Change(rewritten=1)
    assert late.now.files == 2
    assert late.now.size == last["bytes"] + 4
    early = guarding.begin(job, reads, 1, last["items"], 0)
    assert early is not None
    with monkeypatch.context() as once:
        once.setattr(earlylook, "again", lambda *_: pytest.fail("it looked again"))
        assert guarding._again(job, scope, last, now, reads, early) == late


def test_an_early_look_at_another_archive_does_not_count(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, scope, last = last_run(state, monkeypatch)
    reads = Reads(before=ID, files=[Read("srv/a", 9, 1, "aa" * 32, PACKS)])
    early = guarding.begin(job, reads, 1, last["items"], 0)
    assert early is not None
    early.found()
    other: Any = {**last, "archive_id": "22" * 32}
    scope.keep(other)
    now: Any = {**last, "content": 14}
    found = guarding._again(job, scope, other, now, reads, early)
    assert found is not None
    assert found.last == other["archive_id"]


def test_other_bytes_than_those_that_were_read_are_looked_for_in_all_files(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, scope, last = last_run(state, monkeypatch)
    reads = Reads(before=ID, files=[Read("srv/a", 9, 1, "aa" * 32, PACKS)])
    now: Any = {**last, "content": 15}
    early = guarding.begin(job, reads, 1, last["items"], 0)
    assert guarding._again(job, scope, last, now, reads, early) is None


@pytest.mark.parametrize("tripped", [False, True])
def test_the_guard_says_the_same_with_an_early_look_and_without(
    state: Path, monkeypatch: pytest.MonkeyPatch, *, tripped: bool
) -> None:
    job, scope, last = last_run(state, monkeypatch)
    if tripped:
        scope.tripped.write_bytes(scope.sketch.read_bytes())
    vars(job).update(verb="stream", compression="lz4")
    monkeypatch.setattr(manifests, "find", lambda *_: state)
    reads = Reads(before=ID, files=[Read("srv/a", 9, 1, "aa" * 32, PACKS)])
    saved: Any = {**last, "archive": "day2", "bytes": 14, "files_read": 1, "allowed_unreadable": ()}
    said: list[Any] = []
    before = shutil.copytree(state, state.with_name(f"{state.name}-before"))
    for with_early in (True, False):
        shutil.rmtree(state)
        shutil.copytree(before, state)
        early = guarding.begin(job, reads, 1, last["items"], 0) if with_early else None
        guard = guarding.watch(job, {"id": "22" * 32}, saved, lambda _: None, reads, early)
        figures = next(scope.figures())
        del figures["time"]
        kept = sketch.read(scope.sketch)
        assert kept is not None
        said.append((guard, figures, kept.rows, [*kept.known_hard()]))
        assert figures["rewritten"] == 1
    assert said[0] == said[1]
