"""What a drill has found: counts by kind, the first findings, and what is proved."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from borgpull.borg.named import absolute
from borgpull.outputs.drills import Finding, Kind, Share

SHOWN = 1000
_LONGEST = 200  # characters of a value that is shown


# A kind, what the client had, and what was found.
Difference = tuple[Kind, object, object]


@dataclass
class Found:
    """The state of a comparison."""

    kinds: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    why: Counter[str] = field(default_factory=Counter)  # files that are not proved, by reason
    restored: list[int] = field(default_factory=lambda: [0, 0])  # files, bytes
    proved: list[int] = field(default_factory=lambda: [0, 0])
    unproved: list[int] = field(default_factory=lambda: [0, 0])

    def differs(self, path: str, difference: Difference) -> None:
        kind, expected, found = difference
        self.kinds[kind] += 1
        if len(self.findings) < SHOWN:
            self.findings.append(
                {"path": absolute(path), "kind": kind, "expected": _text(expected),
                 "found": _text(found)}
            )  # fmt: skip


def share(pair: list[int]) -> Share:
    return {"files": pair[0], "bytes": pair[1]}


def add(pair: list[int], size: int) -> None:
    pair[0] += 1
    pair[1] += size


def _text(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
