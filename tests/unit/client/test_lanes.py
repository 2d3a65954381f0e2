"""Answers by more channels than one: the very helper, and lanes as a client runs them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from borgpull.borg.inside import lanes, wire
from borgpull.borg.inside.channel import Channel
from borgpull.client import helper
from borgpull.client.mounts import FALLBACK

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
        self._stack, self._greeting = stack, greeting
        self.pipes = [os.pipe() for _ in range(count)]
        self.child = self._start(subprocess.PIPE)
        assert self.child.stdin is not None and self.child.stdout is not None
        self.child.stdin.write(helper.question([str(root), *FALLBACK]))
        helper.answer_of(self.child.stdout.fileno())
        there = helper.Helper(None, None, self.child.stdin)  # type: ignore[arg-type]
        there.go([str(root)], {}, {"compress": "off", "lanes": True})
        ends = (self.child.stdout.fileno(), self.child.stdin.fileno())
        self.channel = Channel(*ends, *(pipe[0] for pipe in self.pipes))
        self.lanes: list[subprocess.Popen[bytes]] = []

    def _start(self, stdout: int, before: str = "") -> subprocess.Popen[bytes]:
        argv = [*ARGV[:2], before + ARGV[2], *ARGV[3:]]
        child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=stdout, bufsize=0)
        return self._stack.enter_context(child)

    def open(self, name: str) -> None:
        """Start all lanes."""
        for number, (_, end) in enumerate(self.pipes):
            child = self._start(end, self._greeting)
            os.close(end)
            assert child.stdin is not None
            child.stdin.write(helper.lane(name, number))
            self.lanes.append(child)


@contextmanager
def client(root: Path, count: int, greeting: str = "") -> Iterator[Client]:
    with ExitStack() as stack:
        it = Client(stack, root, count, greeting)
        try:
            yield it
        finally:
            for pipe in it.pipes:
                os.close(pipe[0])


def read(channel: Channel, root: Path) -> dict[bytes, bytes]:
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
        found = read(it.channel, tree)
        assert {os.fsdecode(name): data for name, data in found.items()} == {
            path.name: path.read_bytes() for path in tree.iterdir()
        }
        assert len(it.channel.lanes._ring) == 1 + count
        assert [child.wait(10) for child in (it.child, *it.lanes)] == [0] * (1 + count)
