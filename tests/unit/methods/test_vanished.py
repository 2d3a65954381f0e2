"""What borg could not save: each mark is judged, and what has vanished is looked for once more."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from borgpull.borg import messages
from borgpull.borg.create import Created, Order, watch
from borgpull.errors import LostData
from borgpull.events import silent
from borgpull.methods.arrivals import judge_gone
from borgpull.methods.vanished import there_again
from borgpull.ops.backup import judge_vanished, judge_warnings
from borgpull.process import Completed, running

GONE = "a: open: [Errno 2] No such file or directory: 'a'"


def warning(text: str, msgid: str = "") -> dict[str, Any]:
    more = {"msgid": msgid} if msgid else {}
    return {"type": "log_message", "levelname": "WARNING", "message": text, **more}


def mark(status: str, path: str) -> dict[str, Any]:
    return {"type": "file_status", "status": status, "path": path}


def created(*lines: dict[str, Any], code: int = 1) -> Created:
    """What a `borg create` that says this on standard error comes to."""
    text = "".join(json.dumps(line) + "\n" for line in lines)
    program = "import sys; sys.stderr.write(sys.argv[1]); sys.exit(int(sys.argv[2]))"
    with running([sys.executable, "-c", program, text, str(code)], name="borg") as child:
        order = Order(archive="a")
        return watch(child, "web1", order, alive=lambda: True, emit=silent)


CHANGED = (warning("log: file changed while we backed it up"), mark("C", "log"))


@pytest.mark.parametrize(
    "lines",
    [
        # borg 1.2 says this without a number; beside it stands a warning that is understood
        [
            *CHANGED,
            warning("a: file inode changed, skipping file"),
            mark("E", "a"),
        ],
        [*CHANGED, mark("E", "a")],
        [*CHANGED, warning("Unknown file type: a")],
        [warning(GONE), mark("E", "b")],
        [mark("E", "a"), *CHANGED],
    ],
)
def test_a_failed_file_without_a_warning_that_is_understood_is_lost(
    lines: Sequence[dict[str, Any]],
) -> None:
    with pytest.raises(LostData) as found:
        judge_warnings(created(*lines), (), ("/srv",))
    assert "/a" in found.value.message or "/b" in found.value.message


def test_marks_with_their_warnings_are_judged_once() -> None:
    done = created(*CHANGED, warning(GONE), mark("E", "a"), warning("Using a pure-python msgpack!"))
    assert [item.kind for item in done.warnings] == [messages.CHANGED, messages.VANISHED]
    assert judge_warnings(done, (), ("/srv",)) == []


def test_more_warnings_than_are_kept_are_lost_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("borgpull.borg.create.MAX_WARNINGS", 1)
    done = created(*CHANGED, *CHANGED, *CHANGED)
    assert (len(done.warnings), done.more_warnings) == (1, 2)
    with pytest.raises(LostData, match=r"\A2 not saved"):
        judge_warnings(done, (), ("/srv",))


@pytest.fixture
def here(tmp_path: Path) -> Any:
    """A client that is this machine; its root is a folder."""

    def shell(script: str, data: bytes) -> Completed:
        argv = ["sh", "-c", f"echo welcome; {script}"]
        done = subprocess.run(argv, input=data, cwd=tmp_path, capture_output=True, check=False)
        return Completed(done.returncode, done.stdout, done.stderr.decode())

    return shell


def test_what_is_there_again(here: Any, tmp_path: Path) -> None:
    names = ["plain", "-dash", "two\nlines", "a 'quote' \"and\" $(more)", "caf\udce9"]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "broken link").symlink_to("nowhere")
    assert there_again(here, [*names, "broken link", "gone"]) == [*names, "broken link"]
    assert there_again(here, ["caf?"]) == ["caf?"], "nobody can tell which name that is"
    assert there_again(here, []) == []
    assert there_again(lambda *_: Completed(127, b"", "no xargs"), ["plain"]) == ["plain"]


def test_a_file_that_is_there_again_was_not_saved(here: Any, tmp_path: Path) -> None:
    source = cast(Any, SimpleNamespace(there_again=lambda paths: there_again(here, paths)))
    done = created(warning(GONE), mark("E", "a"))
    assert judge_vanished(done, source) == ["/a"]
    (tmp_path / "a").touch()
    with pytest.raises(LostData, match="/a"):
        judge_vanished(done, source)


def test_a_name_that_was_gone_while_it_was_listed(tmp_path: Path) -> None:
    found = [{"gone": "back"}, {"absent": "x"}, {"gone": "away"}, {"gone": "srv"}, {"gone": "away"}]
    lost, vanished = judge_gone(
        found, ["/srv"], lambda paths: [path for path in paths if path == "back"]
    )
    assert lost == ["/back (gone for a moment)", "/srv (gone for a moment)"]
    assert vanished == ["away"]
    assert judge_gone([], ["/srv"], lambda _: ["nobody asks"]) == ([], [])
