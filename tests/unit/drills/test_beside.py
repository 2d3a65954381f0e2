"""What is read beside a restore counts only as long as nothing has touched it."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from borgpull import events
from borgpull.borg.manifest import BadManifest
from borgpull.drills import beside
from borgpull.drills.beside import Beside, Read
from borgpull.drills.compare import Comparison
from borgpull.drills.control import control
from borgpull.drills.findings import Found
from borgpull.drills.tree import Tree
from borgpull.errors import NotProved
from borgpull.events import Event, silent
from borgpull.trees.manifest import Entry
from tests.support.entries import corpus, entries_of, keeping
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes devices and owners")
FILES = 5


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    for number in range(FILES):
        (folder / str(number)).write_bytes(bytes(100_000 * number) + b"x")
    return folder


class Run:
    """A restore of all entries of a folder, with what is read beside it."""

    def __init__(self, root: Path, wants: Callable[[Entry], bool] = lambda _entry: True) -> None:
        self.root, self.entries = root, entries_of(root)
        self.passed: list[str] = []
        self.beside = Beside(root, self.work, wants, processors=2)
        self.emit = self.beside.hearing(silent)

    def work(self, after: Callable[[Iterable[Entry]], Iterator[Entry]]) -> None:
        for entry in after(self.entries):
            self.passed.append(entry.item.path)

    def extract(self) -> None:
        events.phase(self.emit, "extract", "")

    def begin(self, number: int) -> None:
        """So many files have begun."""
        self.emit(Event("progress", {"files": number}))

    def had(self) -> list[str]:
        """The files whose content need not be read again."""
        return [one.item.path for one in self.entries if has(self.beside.read, self.root, one)]


def has(read: Read, root: Path, entry: Entry) -> bool:
    return read.has((root / entry.item.path).lstat(), entry.sha256 or "")


def test_a_file_is_read_once_the_next_one_has_begun(root: Path) -> None:
    run = Run(root)
    with run.beside:
        run.extract()
        run.begin(3)
        wait_until(lambda: len(run.had()) == 2)
        wait_until(lambda: run.passed == ["0", "1", "2"])
        time.sleep(0.1)
        assert run.had() == ["0", "1"]  # the third one may not be whole
    assert run.had() == run.passed == ["0", "1", "2", "3", "4"]


def test_files_that_are_not_restored_are_not_waited_for(root: Path) -> None:
    run = Run(root, lambda entry: entry.item.path in "34")
    with run.beside:
        run.extract()
        run.begin(2)
        wait_until(lambda: run.had() == ["3"])
    assert run.had() == ["3", "4"]
    assert run.passed == ["0", "1", "2", "3", "4"]


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda path: path.write_bytes(b"y" * path.stat().st_size),
    "mode": lambda path: path.chmod(0o600),
    "owner": lambda path: os.chown(path, 7, 7),
    "name": lambda path: os.link(path, f"{path}.two"),
    "another": lambda path: (path.rename(f"{path}.old"), path.write_bytes(b"z")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_touched_since_does_not_count(root: Path, change: str) -> None:
    """Whoever changes a file can put its mtime back, and not its ctime."""
    run = Run(root)
    with run.beside:
        run.extract()
        run.begin(FILES)
        wait_until(lambda: "3" in run.had())
        keeping(root / "3", CHANGES[change])
    assert run.had() == ["0", "1", "2", "4"]


def test_a_file_of_just_now_is_read_a_moment_later(root: Path) -> None:
    """Another change within the same tick of the clock may give it the same ctime."""
    now = time.time_ns()
    assert not beside._tells(stat_of(now))
    assert not beside._tells(stat_of(now + 10**10))
    assert not beside._tells(stat_of(10**18))  # whole seconds: who knows what else is in them
    assert beside._tells(stat_of(10**18 + 1))
    run = Run(root)
    with run.beside:
        for number in range(FILES):
            os.utime(root / str(number), ns=(1, run.entries[number].item.mtime_ns))
    assert run.had() == run.passed


def stat_of(ctime_ns: int) -> Any:
    return SimpleNamespace(st_ctime_ns=ctime_ns)


def test_what_is_not_as_it_was_is_not_noted(root: Path) -> None:
    run = Run(root)
    (root / "0").write_bytes(b"y")
    (root / "1").unlink()
    (root / "1").symlink_to("2")
    (root / "2").unlink()
    (root / "3").unlink()
    os.mkfifo(root / "3")
    with run.beside:
        run.extract()
    assert [path for path in "04" if has(run.beside.read, root, run.entries[int(path)])] == ["4"]
    assert len(run.beside.read._known) == 1


def test_with_one_processor_it_begins_at_the_end(root: Path) -> None:
    run = Run(root)
    run.beside._alone = True
    with run.beside:
        run.extract()
        run.begin(FILES)
        assert run.beside._done is None
        run.beside.at_its_end()
    assert run.had() == run.passed == ["0", "1", "2", "3", "4"]


def test_after_an_error_the_listing_is_still_compared(root: Path) -> None:
    run = Run(root)
    with pytest.raises(NotProved), run.beside:
        run.extract()
        run.begin(2)
        wait_until(lambda: run.had() == ["0"])
        raise NotProved("the restore broke off")
    assert run.passed == ["0", "1", "2", "3", "4"]
    assert run.had() == ["0"]
    run = Run(root)
    with pytest.raises(NotProved), run.beside:
        raise NotProved("no room, so that no restore has begun")
    assert run.passed == ["0", "1", "2", "3", "4"]


def test_a_signal_ends_it(root: Path) -> None:
    run = Run(root)
    with pytest.raises(KeyboardInterrupt), run.beside:
        run.extract()
        run.begin(2)
        wait_until(lambda: run.had() == ["0"])
        raise KeyboardInterrupt
    assert run.passed == ["0", "1"]
    assert threading.active_count() == 1


def test_an_error_of_the_manifest_is_told_at_the_end(root: Path) -> None:
    def work(_after: object) -> None:
        raise BadManifest("damaged", "it cannot be read")

    with pytest.raises(BadManifest), Beside(root, work, lambda _entry: True) as one:
        events.phase(one.hearing(silent), "extract", "")
    with (
        pytest.raises(NotProved),
        Beside(root, work, lambda _entry: True) as one,
    ):
        raise NotProved("no room")


def test_the_comparison_does_not_read_it_again_and_the_control_sees_a_byte(tmp_path: Path) -> None:
    root = corpus(tmp_path / "root")
    run = Run(root)
    with run.beside:
        run.extract()
    read = run.beside.read
    with contextlib.closing(Tree(root)) as tree:
        again = list[str]()
        plain = tree.sha256
        tree.sha256 = lambda path: (again.append(path), plain(path))[1]  # type: ignore[method-assign,func-returns-value]
        found = Found()
        one = Comparison(tree, found, was_read=read.has)
        one.run(run.entries, lambda entry: None)
        assert (found.kinds, again) == ({}, [])
        done = control(
            tree, root, one.candidates, lambda found: Comparison(tree, found, was_read=read.has)
        )
        assert {item["kind"]: item["seen"] for item in done}["byte"]
        assert len(done) == 6
        assert all(item["seen"] for item in done)
        # A comparison that took the noted sum of a changed file would not see it.
        blind = control(
            tree,
            root,
            one.candidates,
            lambda found: Comparison(tree, found, was_read=lambda *_: True),
        )
        assert not {item["kind"]: item["seen"] for item in blind}["byte"]
