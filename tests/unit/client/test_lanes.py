"""Answers by more channels than one: the very helper, and lanes as a client runs them."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from borgpull.borg.inside import lanes, wire
from borgpull.borg.inside.channel import Channel, Ended
from borgpull.borg.inside.wire import BadFrame
from borgpull.client import helper
from borgpull.client.ends import answer_of
from borgpull.client.mounts import FALLBACK
from tests.support.evil_helper import frame
from tests.support.waiting import wait_until

ARGV = ["sh", "-c", 'IFS= read -r line; eval "$line"', "sh"]
FILES = 40


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """12 MB in small files, and 24 MB in one."""
    root = tmp_path / "tree"
    root.mkdir()
    for number in range(FILES):
        (root / f"{number:02}").write_bytes(os.urandom(300_000 + number))
    (root / "large").write_bytes(os.urandom(24 << 20))
    return root


class Client:
    """A helper under way, and lanes to it."""

    def __init__(self, stack: ExitStack, root: Path, count: int, greeting: str = "") -> None:
        self._stack, self.greeting = stack, greeting
        self.before: tuple[str, ...] = ()  # words before the command of a lane
        self.pipes = [os.pipe() for _ in range(count)]
        self.child = self._start(ARGV, subprocess.PIPE)
        assert self.child.stdin is not None and self.child.stdout is not None
        self.child.stdin.write(helper.question([str(root), *FALLBACK]))
        answer_of(self.child.stdout.fileno())
        there = helper.Helper(None, None, self.child.stdin)  # type: ignore[arg-type]
        there.go([str(root)], {}, {"compress": "off", "lanes": count})
        ends = (self.child.stdout.fileno(), self.child.stdin.fileno())
        self.channel = Channel(*ends, *(pipe[0] for pipe in self.pipes))
        self.lanes: list[subprocess.Popen[bytes]] = []

    def _start(self, argv: list[str], stdout: int) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=stdout, bufsize=0)
        return self._stack.enter_context(child)

    def start(self, call: str) -> None:
        """All lanes."""
        argv = [*self.before, *ARGV[:2], self.greeting + ARGV[2], *ARGV[3:]]
        for number, (_, end) in enumerate(self.pipes):
            child = self._start(argv, end)
            os.close(end)
            assert child.stdin is not None
            child.stdin.write(helper.lane(call, number))
            self.lanes.append(child)

    def open(self, call: str) -> None:
        """All of them call before the helper sends on."""
        self.start(call)
        calls = 1 + len(self.pipes)
        wait_until(lambda: Path("/proc/net/unix").read_text().count(call[:32]) == calls, seconds=20)


@contextmanager
def client(root: Path, count: int, greeting: str = "") -> Iterator[Client]:
    with ExitStack() as stack:
        it = Client(stack, root, count, greeting)
        try:
            yield it
        finally:
            for pipe in it.pipes:
                os.close(pipe[0])


def read(channel: Channel) -> dict[bytes, bytes]:
    """The contents of all files, by their names."""
    names: dict[int, bytes] = {}
    found: dict[bytes, bytes] = {}
    listed, asked, current = 0, False, b""
    while True:
        kind, content = channel.frame()
        if kind == wire.LIST:
            for row in wire.rows(content):
                if row.depth:
                    names[listed] = row.name
                listed += 1
        elif kind == wire.LISTED:
            for number in names:
                channel.ask(wire.READ, number)
            channel.push()
            asked = True
        elif kind == wire.WHOLE:
            answer, _, data = wire.whole(content)
            found[names[answer.number]] = data
        elif kind == wire.BEGIN:
            current, found[current] = names[wire.begin(content)[0].number], b""
        elif kind == wire.DATA:
            found[current] += content
        if asked and kind in (wire.WHOLE, wire.STOP) and len(found) == len(names):
            channel.ask(wire.FINISH)
            channel.push()
        if kind == wire.BYE:
            return found


def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lanes are asked for at once."""
    monkeypatch.setattr(lanes, "SECONDS", 0.0)
    monkeypatch.setattr(lanes, "RATE", 0)
    monkeypatch.setattr(lanes, "SHARE", -1.0)


@pytest.mark.parametrize(("count", "greeting"), [(1, ""), (3, ""), (3, "echo welcome; ")])
def test_what_comes_by_lanes_is_what_is_there(
    tree: Path, count: int, greeting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    always(monkeypatch)
    with client(tree, count, greeting) as it:
        it.channel.lanes.ask = it.open
        found = read(it.channel)
        assert {os.fsdecode(name): data for name, data in found.items()} == {
            path.name: path.read_bytes() for path in tree.iterdir()
        }
        assert len(it.channel.lanes._ring) == 1 + count
        assert [child.wait(10) for child in (it.child, *it.lanes)] == [0] * (1 + count)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_another_user_is_no_lane(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    always(monkeypatch)
    with client(tree, 1) as it:
        it.before = ("setpriv", "--reuid", "65534", "--clear-groups")
        it.channel.lanes.ask = it.start
        assert len(read(it.channel)) == FILES + 1
        assert it.channel.lanes._ring == []
        assert it.lanes[0].wait(10) == 0  # it, too, has seen that the other one is no helper of its


def calling(call: str) -> socket.socket:
    link = socket.socket(socket.AF_UNIX)
    link.connect("\0borgpull-" + call[:32])
    return link


@pytest.mark.parametrize("word", ["", "0" * 32])
def test_who_knows_the_name_alone_gets_nothing(
    tree: Path, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    always(monkeypatch)
    with client(tree, 1) as it, ExitStack() as stack:
        reads, writes = os.pipe()

        def call(call: str) -> None:
            link = stack.enter_context(calling(call))
            socket.send_fds(link, [b"\0" + word.encode()], [writes])
            os.close(writes)

        it.channel.lanes.ask = call
        assert len(read(it.channel)) == FILES + 1
        assert it.channel.lanes._ring == []
        assert os.read(reads, 1) == b""
        os.close(reads)
        os.close(it.pipes[0][1])


@pytest.mark.timeout(60)  # none of them is waited for
def test_callers_that_say_nothing_shut_the_door(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    always(monkeypatch)
    with client(tree, 1) as it, ExitStack() as stack:
        links = list[socket.socket]()

        def call(call: str) -> None:
            links.extend(stack.enter_context(calling(call)) for _ in range(16))

        it.channel.lanes.ask = call
        assert len(read(it.channel)) == FILES + 1
        assert [link.recv(1) for link in links] == [b""] * 16
        os.close(it.pipes[0][1])


CALL = b"0123456789abcdef" * 4
MARK = b"\nborgpull-lane %s\n" % CALL[: lanes.NAME]
OFFER, JOIN = frame(wire.LANES, CALL), frame(wire.LANE, b"\0")
WORD = frame(wire.ZEROS, b"1234")


def stripe(content: bytes) -> bytes:
    return len(content).to_bytes(lanes.LENGTH, "little") + content


def channel_of(first: bytes, *more: bytes) -> Channel:
    """One whose ends have this, and end."""
    ends = []
    for content in (first, *more):
        ends.append(os.memfd_create("lane"))
        os.write(ends[-1], content)
        os.lseek(ends[-1], 0, os.SEEK_SET)
    channel = Channel(ends[0], os.open(os.devnull, os.O_WRONLY), *ends[1:])
    channel.lanes.asked = True
    return channel


@pytest.mark.parametrize("piece", [7, 4096])
def test_what_was_drained_is_before_the_first_stripe(
    piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("borgpull.borg.inside.channel.PIECE", piece)
    monkeypatch.setattr("borgpull.borg.inside.channel.TINY", 0)
    first = OFFER + WORD + JOIN + stripe(WORD) + stripe(WORD[3:])
    it = channel_of(first, MARK + stripe(WORD + WORD[:3]))
    it.lanes.asked = False
    it.drain()
    it.lanes.asked = True
    it.drain()
    assert it.received == it.come == len(first)
    assert [it.frame()[1] for _ in range(4)] == [b"1234"] * 4
    assert it.come == 0
    # The heads of the three stripes do not count.
    assert it.received == len(first + stripe(WORD + WORD[:3])) - 3 * lanes.LENGTH
    with pytest.raises(Ended):
        it.frame()


def test_stripes_are_taken_in_turn() -> None:
    first = OFFER + WORD + JOIN + stripe(WORD + WORD[:3]) + stripe(WORD[:1])
    it = channel_of(first, b"hello" + MARK + stripe(WORD[3:] + WORD) + stripe(WORD[1:]))
    assert [it.frame()[1] for _ in range(5)] == [b"1234"] * 5
    with pytest.raises(Ended):
        it.frame()


@pytest.mark.parametrize(
    ("first", "lane"),
    [
        (OFFER + OFFER, MARK),
        (frame(wire.LANES, CALL[:-1] + b"/"), MARK),
        (frame(wire.LANES, CALL[:-1]), MARK),
        (OFFER + JOIN + stripe(JOIN), MARK),
        (OFFER + frame(wire.LANE, b"\1"), MARK),
        (OFFER + frame(wire.LANE, b""), MARK),
        (OFFER + JOIN, bytes(lanes.MAX_GREETING) + MARK),
        (OFFER + JOIN + stripe(b""), MARK),
        (OFFER + JOIN + (lanes.MAX_STRIPE + 1).to_bytes(4, "little"), MARK),
    ],
)
def test_whatever_is_no_lane_of_ours_is_a_bad_frame(first: bytes, lane: bytes) -> None:
    with pytest.raises(BadFrame):
        channel_of(first, lane).frame()


@pytest.mark.parametrize("lane", [b"", b"hello", MARK[:-1]])
def test_a_lane_that_ends_before_it_begins_is_no_lie(lane: bytes) -> None:
    with pytest.raises(Ended):
        channel_of(OFFER + JOIN, lane).frame()


def test_a_lane_that_nobody_has_asked_for_is_a_bad_frame() -> None:
    it = channel_of(OFFER + JOIN, MARK)
    it.lanes.asked = False
    with pytest.raises(BadFrame):
        it.frame()


def test_no_frame_of_lanes_alone_counts_as_one_that_has_come() -> None:
    it = channel_of(WORD + OFFER + JOIN, MARK)
    assert it.frame()[0] == wire.ZEROS
    assert not it.has_frame()
    assert it.lanes._ring
    assert not it.has_frame()


@pytest.mark.parametrize(
    ("size", "waited", "asks"),
    [
        (20_000_000, 0.5, True),  # 2 MiB in each round trip of 100 ms
        (20_000_000, 0.2, False),  # we are what is slow
        (3_000_000, 0.9, False),  # the link is
    ],
)
def test_lanes_are_asked_for_where_one_channel_holds_us_up(
    size: int, waited: float, asks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    it, names = lanes.Lanes(0, (1,)), list[str]()
    it.ask = names.append
    it.took(size, waited)
    it.offered(CALL)
    for step in range(1, 9):
        now = step / 8
        it.took(size // 8, waited / 8)
    assert names == [CALL.decode()] * asks
