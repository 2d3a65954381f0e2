"""Several threads tell of a file what one tells, whatever is wrong with it."""

from __future__ import annotations

import errno
import os
import random
import threading
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from borgpull.client.scripts import stream_beside, stream_delta, stream_look
from borgpull.client.scripts.stream_beside import Beside

MIB = 1 << 20
SIZES = [300_000, 5, MIB, 70_000, 600_000, 400_000, 1, 500_000]
PIECES = [random.Random(size).randbytes(size) for size in SIZES]
PIECES[5] = bytes(SIZES[5])
KNOWN = [(len(one), sha256(one).digest()) for one in PIECES]
WHOLE = b"".join(PIECES)


@pytest.fixture(autouse=True)
def all_threads_end() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def use(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many processors, and files of any size are worth them."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(number)))
    monkeypatch.setattr(stream_beside, "WORTH", 1)


def told(path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, OSError | None]:
    """The frames of the helper's own code, and how it ended."""
    output = stream_look.Output()
    monkeypatch.setattr(stream_delta, "out", output)
    monkeypatch.setattr(output, "flush", lambda: None)
    handle = os.open(path, os.O_RDONLY)
    try:
        stream_delta.rest(handle, 0, len(WHOLE), KNOWN)
    except OSError as error:
        return b"".join(output.parts), error
    finally:
        os.close(handle)
    return b"".join(output.parts), None


def changed(*numbers: int) -> bytes:
    """Another byte at the end of these pieces."""
    found = list(PIECES)
    for number in numbers:
        found[number] = found[number][:-1] + b"x"
    return b"".join(found)


CONTENTS = {
    "same": WHOLE,
    "first": changed(0),
    "second": changed(1),
    "in the middle": changed(4),
    "last": changed(7),
    "several": changed(2, 3, 6),
    "all": random.Random(1).randbytes(len(WHOLE)),
    "empty": b"",
    "truncated": WHOLE[:-1],
    "truncated at a piece": WHOLE[: -SIZES[-1]],
    "truncated long before": WHOLE[:350_000],
    "changed and truncated": changed(1)[:-200_000],
    "grown": WHOLE + bytes(MIB) + b"more",
    "changed and grown": changed(3) + b"more",
}


@pytest.mark.parametrize("name", CONTENTS)
@pytest.mark.parametrize("number", [2, 4])
def test_several_threads_tell_the_same_as_one(
    name: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENTS[name])
    begun: list[Any] = []
    started = stream_beside.started

    def counted(run: Any, *args: memoryview) -> Any:
        begun.append(run)
        return started(run, *args)

    monkeypatch.setattr(stream_beside, "started", counted)
    use(1, monkeypatch)
    one = told(path, monkeypatch)
    assert not begun
    use(number, monkeypatch)
    assert told(path, monkeypatch) == one
    # Another one hashes the whole file, if anything differs.
    assert len(begun) == number - 1 + (CONTENTS[name] != WHOLE)


def test_memory_is_not_taken_for_the_end_of_a_truncated_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It still has the piece before, which is alike."""
    path = tmp_path / "file"
    path.write_bytes(bytes(350_000))
    use(2, monkeypatch)
    handle = os.open(path, os.O_RDONLY)
    try:
        assert stream_beside.alike(handle, [(100_000, sha256(bytes(100_000)).digest())] * 4) == 3
        assert os.lseek(handle, 0, os.SEEK_CUR) == 300_000
    finally:
        os.close(handle)


@pytest.mark.parametrize("number", [1, 2, 4])
@pytest.mark.parametrize("content", [WHOLE, changed(1)])
@pytest.mark.parametrize("place", [0, 2, 7])
def test_a_read_error_is_that_of_the_file(
    content: bytes, place: int, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    bad, readv = sum(SIZES[:place]), os.readv

    def reading(handle: int, rooms: list[memoryview]) -> int:
        if os.lseek(handle, 0, os.SEEK_CUR) >= bad:
            raise OSError(errno.EIO, "bad")
        return readv(handle, rooms)

    use(number, monkeypatch)
    monkeypatch.setattr(os, "readv", reading)
    frames, error = told(path, monkeypatch)
    assert error is not None and error.errno == errno.EIO
    assert bool(frames) == (content != WHOLE and place > 1)


def test_a_difference_before_an_error_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the error is met while the difference is still being hashed."""
    path = tmp_path / "file"
    path.write_bytes(changed(2))
    readv = os.readv

    def reading(handle: int, rooms: list[memoryview]) -> int:
        if os.lseek(handle, 0, os.SEEK_CUR) >= sum(SIZES[:3]):
            raise OSError(errno.EIO, "bad")
        return readv(handle, rooms)

    def slow(data: bytes | memoryview = b"") -> Any:
        time.sleep(0.05)
        return sha256(data)

    use(2, monkeypatch)
    monkeypatch.setattr(os, "readv", reading)
    monkeypatch.setattr(stream_beside, "sha256", slow)
    frames, error = told(path, monkeypatch)
    assert error is not None
    assert frames


def test_an_error_that_comes_once_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All before is the same: so it is the first thing that one thread would have met."""
    path = tmp_path / "file"
    path.write_bytes(WHOLE)
    calls, readv = iter(range(10_000)), os.readv

    def reading(handle: int, rooms: list[memoryview]) -> int:
        if next(calls) == 3:
            raise OSError(errno.EIO, "bad")
        return readv(handle, rooms)

    use(2, monkeypatch)
    monkeypatch.setattr(os, "readv", reading)
    assert told(path, monkeypatch)[1] is not None


def test_one_reads_at_a_time_and_on_from_place_to_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(WHOLE)
    wanted: list[int] = []
    inside, readv = [0], os.readv

    def reading(handle: int, rooms: list[memoryview]) -> int:
        inside[0] += 1
        assert inside[0] == 1
        time.sleep(0.001)
        wanted.append(len(rooms[0]))
        count = readv(handle, rooms)
        inside[0] -= 1
        return count

    use(4, monkeypatch)
    monkeypatch.setattr(os, "readv", reading)
    assert told(path, monkeypatch)[1] is None
    assert wanted == SIZES


class Fails:
    """A hash that fails in a thread other than the main one."""

    def __init__(self, data: Any = b"") -> None:
        self.real = sha256()
        self.update(data)

    def update(self, data: Any) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise ValueError("no hash")
        self.real.update(data)

    def digest(self) -> bytes:
        time.sleep(0.01)  # so that others have pieces, too
        return self.real.digest()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_a_dead_thread_had_is_not_taken_for_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(WHOLE)
    use(1, monkeypatch)
    one = told(path, monkeypatch)
    use(3, monkeypatch)
    died: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    monkeypatch.setattr(stream_beside, "sha256", Fails)
    handle = os.open(path, os.O_RDONLY)
    try:
        assert stream_beside.alike(handle, KNOWN) < len(KNOWN)
    finally:
        os.close(handle)
    assert len(died) == 2
    monkeypatch.setattr(stream_beside, "threads", lambda _: 3)
    monkeypatch.setattr(stream_delta, "threads", lambda _: 1)
    frames, error = told(path, monkeypatch)
    assert error is None
    assert frames == one[0]


def test_a_hash_beside_that_fails_fails_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(changed(1))
    use(2, monkeypatch)

    def begin() -> Beside:
        made = Beside()
        made.sum = Fails()  # type: ignore[assignment]
        return made

    monkeypatch.setattr(stream_delta, "Beside", begin)
    monkeypatch.setattr(stream_delta.Difference, "close", lambda self: self.whole.end())
    with pytest.raises(ValueError, match="no hash"):
        told(path, monkeypatch)


@pytest.mark.parametrize("content", [WHOLE, changed(2)])
def test_a_system_without_threads_does_all_in_one(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    use(1, monkeypatch)
    one = told(path, monkeypatch)

    def start(_self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    use(3, monkeypatch)
    monkeypatch.setattr(threading.Thread, "start", start)
    assert told(path, monkeypatch) == one


@pytest.mark.parametrize("number", [1, 2])
def test_a_beginning_that_changes_once_it_is_compared_has_no_hash(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(changed(3))
    pread = os.pread

    def changing(handle: int, size: int, at: int) -> bytes:
        with path.open("r+b") as file:
            file.write(b"z")
        return pread(handle, size, at)

    use(number, monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", changing)
        frames, error = told(path, monkeypatch)
    assert error is None
    path.write_bytes(changed(3))
    whole = told(path, monkeypatch)[0]
    end = stream_look.HEAD.pack(stream_look.SUM, 32) + sha256(changed(3)).digest()
    assert whole == frames + end


@pytest.mark.parametrize(
    ("size", "count", "processors", "number"),
    [
        (2 * MIB, 500, 1, 1),
        (2 * MIB, 500, 2, 2),
        (2 * MIB, 500, 64, 4),
        (8 * MIB, 100, 64, 3),
        (MIB, 15, 64, 1),
        (40 * MIB, 1, 64, 1),
        (1, 0, 64, 1),
    ],
)
def test_threads_are_few_and_only_where_they_are_worth_it(
    size: int, count: int, processors: int, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)))
    assert stream_beside.threads([(size, b"")] * count) == number


def test_memory_may_be_used_again_one_block_later() -> None:
    class Slow:
        def __init__(self) -> None:
            self.real = sha256()

        def update(self, data: Any) -> None:
            time.sleep(0.005)
            self.real.update(data)

        def digest(self) -> bytes:
            return self.real.digest()

    beside = Beside()
    beside.sum = Slow()  # type: ignore[assignment]
    rooms = [bytearray(5000), bytearray(5000)]
    expected = b""
    for number in range(20):
        room = rooms[number % 2]
        room[:] = bytes([number]) * len(room)
        expected += room
        beside.update(memoryview(room))
    assert beside.digest() == sha256(expected).digest()
    beside.end()


def test_each_thread_has_memory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others read on while one has not hashed its piece yet."""
    path = tmp_path / "file"
    path.write_bytes(WHOLE)

    def slow(data: memoryview) -> Any:
        time.sleep(0.02)
        return sha256(data)

    use(4, monkeypatch)
    monkeypatch.setattr(stream_beside, "sha256", slow)
    handle = os.open(path, os.O_RDONLY)
    try:
        assert stream_beside.alike(handle, KNOWN) == len(KNOWN)
    finally:
        os.close(handle)


def test_memory_is_kept_for_the_next_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_beside, "rooms", [])
    first = stream_beside.room(1, 5000)
    assert stream_beside.room(1, 3000).obj is first.obj
    assert len(stream_beside.room(1, 3000)) == 3000
    assert len(stream_beside.room(1, 6000)) == 6000
    assert stream_beside.room(0, 1).obj is not stream_beside.room(1, 1).obj
