"""A `borg rename` that is started ahead, and what holds its `borg serve` back."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from borgpull.borg import serve
from borgpull.borg.command import Borg
from borgpull.borg.create import Order
from borgpull.borg.serve import Gate, gate, served
from borgpull.errors import BorgFailed
from borgpull.methods.renaming import Renaming
from borgpull.process import Running, running
from borgpull.ssh.session import Session

SERVER = Borg(client="c", repository=Path("/r"), base=Path("/b"), passphrase=None, host_id="h")
SESSION = cast(Session, SimpleNamespace(alive=lambda: True))
ORDER = Order(archive="a.unverified", final="a")
# In the place of the borg that waits: writes down what it is told, or that nobody has told it.
WAITS = """
import os, sys
line = os.fdopen(int(sys.argv[2])).readline()
with open(sys.argv[1], "a") as file:
    file.write(line or "nobody\\n")
"""


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "told"
    path.touch()
    monkeypatch.setattr(serve, "WAITING", (sys.executable, "-c", WAITS, str(path)))
    return path


class Client:
    """Starts programs as a way to a client's borg does, and knows which."""

    def __init__(self, *, dies: bool = False, code: int = 0) -> None:
        self.started: list[tuple[str, str, bool]] = []
        self.dies, self.code = dies, code

    @contextmanager
    def rename(self, old: str, new: str, *, gate: Gate | None = None) -> Iterator[Running]:
        self.started.append((old, new, gate is not None))
        if gate is None:
            argv, fds = [sys.executable, "-c", f"raise SystemExit({self.code})"], tuple[int, ...]()
        else:
            found = served(SERVER, gate)
            argv, fds = ["true"] if self.dies else [*found.argv], found.fds
        with running(argv, name="borg", pass_fds=fds) as child:
            if self.dies:
                child.wait(10)
            try:
                yield child
            finally:
                if gate is not None:
                    child.wait(10)  # as `borg serve` is waited for, so that it frees its lock

    def renaming(self, *, ahead: bool = True) -> Renaming:
        return Renaming(SERVER, SESSION, self.rename, ahead=ahead)


def serving(told: Path) -> list[Any]:
    return [json.loads(line) if line[0] == "[" else line for line in told.read_text().splitlines()]


def test_a_gate(told: Path) -> None:
    with (
        gate(SERVER) as held,
        running(held.serving().argv, name="x", pass_fds=held.serving().fds) as child,
    ):
        time.sleep(0.3)
        assert (child.alive(), serving(told)) == (True, [])
        held.open()
        assert child.wait(10) == 0
    assert serving(told) == [served(SERVER).argv]


def test_it_is_started_once_and_taken(told: Path) -> None:
    client = Client()
    with client.renaming() as renaming:
        renaming.prepare(ORDER)
        renaming.prepare(ORDER)
        assert client.started == [("a.unverified", "a", True)]
        assert not renaming.opens_session()
        time.sleep(0.3)
        assert serving(told) == []
        renaming("a.unverified", "a")
    assert len(client.started) == 1
    assert serving(told) == [served(SERVER).argv]


@pytest.mark.parametrize("failed", [False, True])
def test_what_nobody_takes_ends_at_once(told: Path, failed: bool) -> None:
    client, start = Client(), time.monotonic()
    try:
        with client.renaming() as renaming:
            renaming.prepare(ORDER)
            if failed:
                raise BorgFailed("not verified")
    except BorgFailed:
        assert failed
    assert time.monotonic() - start < 5
    assert serving(told) == ["nobody"]


@pytest.mark.parametrize(
    ("order", "ahead"),
    [
        (ORDER, False),
        (Order(archive="a", final="a", dry_run=True), True),
        # The client says what these stand for.
        (Order(archive="{now}.unverified", final="{now}"), True),
    ],
)
def test_what_is_not_started_ahead(order: Order, ahead: bool) -> None:
    client = Client()
    with client.renaming(ahead=ahead) as renaming:
        renaming.prepare(order)
        assert client.started == []
        assert renaming.opens_session()
        renaming("x.unverified", "x")
    assert client.started == [("x.unverified", "x", False)]


def test_one_that_has_died_is_replaced(told: Path) -> None:
    """A server that allows one session only, say."""
    client = Client(dies=True)
    with client.renaming() as renaming:
        renaming.prepare(ORDER)
        renaming("a.unverified", "a")
    assert client.started == [("a.unverified", "a", True), ("a.unverified", "a", False)]
    assert serving(told) == []


def test_one_for_another_name_ends_first(told: Path) -> None:
    client = Client()
    with client.renaming() as renaming:
        renaming.prepare(ORDER)
        renaming("b.unverified", "b")
    assert [start[1:] for start in client.started] == [("a", True), ("b", False)]
    assert serving(told) == ["nobody"]


def test_a_failure_is_borgs(told: Path) -> None:
    with Client(code=2).renaming(ahead=False) as renaming, pytest.raises(BorgFailed):
        renaming("a.unverified", "a")
