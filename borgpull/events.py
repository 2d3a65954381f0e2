"""What a job tells while it runs: events, one JSON object a line, and where they go.

Nothing below `borgpull.cli` prints: it calls an `Emit`. The sidecar's lines are read by the host's
CLI and by users' scripts (`--json`), so every line carries `"borgpull": 1`, the protocol's version.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from borgpull.outputs.lines import PhaseName

PROTOCOL = 1

Kind = Literal["phase", "progress", "note", "warning", "debug", "item", "ask", "result"]


class Event(NamedTuple):
    """One thing that happened. What `data` holds is in borgpull/outputs."""

    kind: Kind
    data: dict[str, Any]

    def to_json(self) -> str:
        return json.dumps({"borgpull": PROTOCOL, "event": self.kind, **self.data})

    @classmethod
    def from_json(cls, line: str | bytes) -> Event | None:
        """The event in a line; None if the line is none of ours."""
        try:
            data = json.loads(line)
        except ValueError:
            return None
        if not isinstance(data, dict) or data.pop("borgpull", None) != PROTOCOL:
            return None
        return cls(data.pop("event", "debug"), data)


Emit = Callable[[Event], None]


def silent(_event: Event) -> None:
    """An `Emit` that drops everything."""


def phase(emit: Emit, name: PhaseName, text: str) -> None:
    emit(Event("phase", {"name": name, "text": text}))


def note(emit: Emit, text: str, **data: Any) -> None:
    emit(Event("note", {"text": text, **data}))


def warning(emit: Emit, text: str, **data: Any) -> None:
    emit(Event("warning", {"text": text, **data}))


def debug(emit: Emit, text: str) -> None:
    emit(Event("debug", {"text": text}))
