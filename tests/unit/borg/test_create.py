"""What a backup says of the files that it read."""

from __future__ import annotations

import json
import time
from collections import Counter

import pytest

from borgpull.borg import create, messages
from borgpull.borg.create import Created, Order
from borgpull.errors import ConnectionLost
from borgpull.events import Event
from borgpull.methods.lines import worth_a_line
from borgpull.process import running

STATS = {"archive": {"stats": {"nfiles": 10}}}


@pytest.mark.parametrize(
    ("fresh", "letters", "read", "unchanged"),
    [
        (True, "hh", 8, 0),  # no line for those that were added
        (True, "hhC", 8, 0),
        (False, "hhAAM", 3, 5),
        (False, "", 0, 10),
        (True, "h" * 11, 0, 0),  # what no honest borg says
        (False, "h" * 11, 0, 0),
    ],
)
def test_files_read(fresh: bool, letters: str, read: int, unchanged: int) -> None:
    done = Created(stats=STATS, statuses=Counter(letters), fresh=fresh)
    assert (done.read_files(), done.unchanged_files()) == (read, unchanged)


def test_what_is_worth_a_line() -> None:
    usual, fresh = (worth_a_line(Order(archive="a", fresh=fresh)) for fresh in (False, True))
    assert set(usual) - set(fresh) == {"A"}
    # Errors, files that change, hard links, folders, other kinds, what borg does not know.
    assert set("MCEhdsfbci?") <= set(fresh)
    assert "U" not in usual and "x" not in usual
    dry = worth_a_line(Order(archive="a", dry_run=True))
    assert "-" in dry and not dry.startswith("-"), "no item was counted; borg takes no such word"


def test_warnings_are_counted_whether_they_are_understood_or_not() -> None:
    def said(text: str) -> str:
        message = {"type": "log_message", "levelname": "WARNING", "name": "borg.xattr"}
        return json.dumps({**message, "message": text})

    attribute = "when getting extended attribute user.x: [Errno 1] Operation not permitted: b'a'"
    failed = json.dumps({"type": "file_status", "status": "E", "path": "a"})
    lines = "\n".join([said(attribute), said("what?"), said("a: by a borg to come"), failed])
    argv = ["sh", "-c", f"cat >&2 <<'EOF'\n{lines}\nEOF\nexit 1"]
    with running(argv, name="borg create") as child:
        order = Order(archive="a")
        done = create.watch(child, "c", order, alive=lambda: True, emit=lambda event: None)
    assert done.not_understood == ["what?"]
    # The attribute does not tell why the file failed.
    assert [item.kind for item in done.warnings] == [messages.ATTRIBUTE, messages.NOT_SAID]
    assert done.warnings[1].text == "by a borg to come"


def test_a_borg_that_says_nothing_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client whose disk hangs (D state, say) keeps its connection alive."""
    monkeypatch.setattr(create, "IDLE_SECONDS", 1.0)
    started = time.monotonic()
    said = json.dumps({"type": "archive_progress", "nfiles": 1, "original_size": 2, "path": "a"})
    script = f"for n in 1 2 3; do echo '{said}' >&2; sleep 0.5; done; exec sleep 600"
    seen: list[Event] = []
    with (
        pytest.raises(ConnectionLost, match="borg says nothing for the-client"),
        running(["sh", "-c", script], name="borg create", grace=1) as child,
    ):
        order = Order(archive="a")
        create.watch(child, "the-client", order, alive=lambda: True, emit=seen.append)
    assert 2.0 < time.monotonic() - started < 20, "each line begins the wait anew"
    assert seen[0].data["files"] == 1
    assert not child.alive(), "it does not outlive the run"
