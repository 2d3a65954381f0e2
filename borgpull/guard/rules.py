"""The rules of the guard. Only drops and rewrites are findings; growth never is.

A run is compared with the median of the last good runs. Each rule needs a share and a number: a
share alone would find three files of ten, and a number alone would find an ordinary day of a large
server. A rule on what happened in one day also needs more than the median of the days before, so
that what happens each day is no finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any, NamedTuple, cast

from borgpull.borg.named import absolute
from borgpull.guard.compare import Change, Emptied
from borgpull.guard.figures import Figures
from borgpull.outputs.guard import Finding, Rule
from borgpull.trees.folders import lies_in

RUNS = 7  # good runs that a run is compared with
TIMES = 3  # a day is a finding only if it is so many times the median
MIB = 1 << 20


class Limit(NamedTuple):
    """What a rule finds: a share of what was there, and at least a number."""

    share: float
    least: int
    why: str


LIMITS: dict[Rule, Limit] = {
    "files": Limit(0.2, 100, "a removed home is found if it is a fifth; caches do not count"),
    "bytes": Limit(0.3, 100 * MIB, "against the median: a large file of one day is no loss"),
    "gone": Limit(0.5, 100, "an upgrade replaces less than half of what is not a kernel"),
    "turned": Limit(0.2, 50, "an upgrade, a rotation and an edit leave text as text"),
    "turned_bytes": Limit(0.2, 100 * MIB, "a database or a disk image is one file"),
    "rewritten": Limit(0.5, 100, "an upgrade to a new release rewrites programs, which pack well"),
    "slow": Limit(0.3, 100, "the sum of all these runs: less a day than `turned` finds"),
    "unreadable": Limit(0.0, 10, "each one was allowed by the user, by a path above it"),
    "emptied": Limit(0.1, 100, "any folder; near the root, or if it was named: 10 files"),
}
NEAR_FILES = 10  # that a folder near the root, or a named one, has had
MAX_EMPTIED = 20  # findings
HARD_SHARE = 0.5  # of what was rewritten


def judge(now: Figures, change: Change, past: Sequence[Figures]) -> list[Finding]:
    """What a run has lost. `past` are its runs before, the oldest first; none: nothing is known."""
    rules = _Rules(now, past)
    if not rules.before:
        return []
    found = [*rules.levels(), *rules.days(), *rules.slow(), *rules.unreadable()]
    return [*found, *rules.emptied(change.emptied)]


def compared(past: Sequence[Figures]) -> int:
    """The number of good runs that the next one is compared with."""
    return len(_Rules(past[-1], past).good) if past else 0


def _around(one: Emptied, found: Sequence[tuple[Emptied, Finding]]) -> Iterator[str]:
    """Folders that this one lies in, and that had no more files."""
    for other, _ in found:
        inside = one.path != other.path and lies_in(absolute(one.path), absolute(other.path))
        if inside and other.files == one.files:
            yield other.path


def _value(one: Figures, name: str) -> int:
    return int(cast("dict[str, Any]", one)[name])


def _median(runs: Sequence[Figures], name: str) -> int:
    return int(median(_value(one, name) for one in runs)) if runs else 0


class _Rules:
    def __init__(self, now: Figures, past: Sequence[Figures]) -> None:
        self._now, self._past = now, past
        self.good = [one for one in past if one["good"]][-RUNS:]
        accepted = [number for number, one in enumerate(past) if one["accepted"]]
        # What a user has accepted is how things are from then on.
        self._since = past[accepted[-1] :] if accepted else past
        self.before = [one for one in self._since if one["good"] or one["accepted"]][-RUNS:]
        last = self.before[-1] if self.before else now
        self._files, self._bytes = last["files"], last["bytes"]
        self._soft = max(self._files - last["hard"], 0)

    def _finding(self, rule: Rule, value: int, usual: int, limit: float, text: str) -> Finding:
        return {"rule": rule, "value": value, "median": usual, "limit": int(limit), "text": text}

    def levels(self) -> list[Finding]:
        """Are there fewer files, or bytes, than there mostly were?"""
        rules: tuple[Rule, Rule] = ("files", "bytes")
        found = []
        for rule in rules:
            usual, value = _median(self.before, rule), _value(self._now, rule)
            drop, limit = usual - value, LIMITS[rule]
            if drop >= limit.least and drop >= limit.share * usual:
                text = f"{rule}: {value}, and mostly {usual}: {_share(drop, usual)} went away"
                found.append(self._finding(rule, drop, 0, limit.share * usual, text))
        return found

    def days(self) -> list[Finding]:
        """Was more lost or rewritten than on other days?"""
        now, found = self._now, []
        hard = not now["measured"] or now["rewritten_hard"] >= HARD_SHARE * now["rewritten"]
        rows: list[tuple[Rule, int, str, bool]] = [
            ("gone", self._files, "files are gone, and are nowhere else", True),
            ("turned", self._soft, "files cannot be compressed any more, as if encrypted", True),
            ("turned_bytes", self._bytes, "bytes cannot be compressed any more", True),
            ("rewritten", self._files, "files have another content, which looks encrypted", hard),
        ]
        for rule, of, text, holds in rows:
            value, usual = _value(now, rule), _median(self.good, rule)
            least = max(LIMITS[rule].least, LIMITS[rule].share * of, TIMES * usual)
            if holds and value and value >= least:
                told = f"{value} of {of} {text}; mostly {usual} a run"
                found.append(self._finding(rule, value, usual, least, told))
        return found

    def slow(self) -> list[Finding]:
        """Has so much turned hard to compress, run by run, that all of it is a finding?"""
        since = [one["turned"] for one in self._since if one["good"]][-RUNS:]
        value, limit = sum(since) + self._now["turned"], LIMITS["slow"]
        # What has turned is hard by now: it was soft before.
        before = self._soft + sum(since)
        if since and value >= limit.least and value >= limit.share * before:
            text = f"{value} of {before} files turned hard to compress, in {len(since) + 1} runs"
            usual = _median(self.good, "turned")
            return [self._finding("slow", value, usual, limit.share * before, text)]
        return []

    def unreadable(self) -> list[Finding]:
        value, usual = self._now["unreadable"], _median(self.good, "unreadable")
        least = max(LIMITS["unreadable"].least, TIMES * usual)
        if value >= least:
            text = f"{value} paths may not be read, as allowed; mostly {usual}"
            return [self._finding("unreadable", value, usual, least, text)]
        return []

    def emptied(self, folders: Sequence[Emptied]) -> list[Finding]:
        """Has a folder lost everything, as one does whose mount is missing?

        It is none if most of its files are elsewhere by now, or if it was empty not long ago.
        """
        usual = {path for one in self._past[-RUNS:] for path in one["empty"]}
        found = []
        for one in sorted(folders, key=lambda folder: folder.path):
            least = LIMITS["emptied"]
            wide = one.files >= max(least.least, least.share * self._files)
            near = one.near and one.files >= NEAR_FILES
            moved = 2 * self._now["gone"] < one.files
            if not (one.mount or wide or near) or moved or one.path in usual:
                continue
            what = "is no mount any more, and is empty" if one.mount else "is empty"
            text = f"{absolute(one.path)} {what}: it had {one.files} files"
            found.append((one, self._finding("emptied", one.files, 0, 1, text)))
        # Of folders in one another, the innermost one that had all of it says most.
        inner = {above for one, _ in found for above in _around(one, found)}
        return [finding for one, finding in found if one.path not in inner][:MAX_EMPTIED]


def _share(part: int, whole: int) -> str:
    return f"{100 * part // max(whole, 1)} %"
