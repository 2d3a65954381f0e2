"""What a job in a container asks of its launcher: an event goes out, a line of JSON comes back.

Only the launcher can start another container. The job says which check of its own it means, and
where the restored tree is. It does not judge what it gets by itself: `drills/checks.py` does.
"""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from borgpull.events import Emit, Event

MAX_OUTPUT = 64 << 10  # bytes of a command's output
# Seconds beside those of the command: its container is made and removed meanwhile.
SPARE_SECONDS = 300.0

# The lines of the launcher; None where none is listening.
_answers: queue.SimpleQueue[bytes] | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of a command in another container."""

    code: int | None = None  # its exit code; None if it did not run to its end
    why: str = ""  # it has none
    output: str = ""
    left: str = ""  # what could not be removed afterwards

    def line(self, check: int) -> bytes:
        """As the launcher sends it, for the check of that number."""
        return json.dumps({"check": check, **asdict(self)}).encode() + b"\n"


def listen() -> Callable[[bytes], None]:
    """From now on a launcher is there. The function takes a line of it."""
    global _answers
    _answers = queue.SimpleQueue()
    return _answers.put


def possible() -> bool:
    return _answers is not None


def ask(emit: Emit, check: int, folder: str, seconds: float) -> Answer:
    """Have the launcher run a check of this job in its image.

    `check` is its number from 0, `folder` that of the tree, below the scratch folder.
    """
    assert _answers is not None
    deadline = time.monotonic() + seconds + SPARE_SECONDS
    while not _answers.empty():  # what has come before the question is no answer to it
        _answers.get_nowait()
    emit(Event("ask", {"check": check, "folder": folder}))
    try:
        while True:
            number, answer = read(json.loads(_answers.get(timeout=_until(deadline))))
            if number == check:  # and not of one that was given up
                return answer
    except queue.Empty:
        return Answer(why="the launcher gave no answer")
    except ValueError as error:
        return Answer(why=f"the launcher's answer makes no sense: {error}")


def _until(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())


def read(data: Any) -> tuple[int, Answer]:
    """The number of the check, and what came of it. Raises ValueError."""
    texts = ("why", "output", "left")
    if not isinstance(data, dict) or data.keys() != {"check", "code", *texts}:
        raise ValueError("other keys")
    number = data.pop("check")
    if type(number) is not int:
        raise ValueError("no number")
    if not all(isinstance(data[key], str) for key in texts):
        raise ValueError("no text")
    if data["code"] is not None and type(data["code"]) is not int:
        raise ValueError("no exit code")
    return number, Answer(**data)
