"""Figures and times of a drill, in words that all reports share."""

from __future__ import annotations

from borgpull.outputs.drills import Drill, Share
from borgpull.plain import safe, size

_VERDICTS = {
    "differs": "The backup does not bring back what the client had.",
    "could not verify": "Something did not run, or too much is not provable. "
    "The backup may be good or bad.",
    "outside limits": "The data is too old, or the restore too slow, for the limits given.",
    "error": "The drill itself failed. Its outcome says nothing about the backup.",
}


def verdict(drill: Drill) -> str:
    """One or two sentences."""
    if drill["outcome"] != "pass":
        return _VERDICTS[drill["outcome"]]
    found = f"Restored and proved to be what the client had: {share(drill['proved'])}."
    if drill["unproved"]["files"]:
        found += f" Not provable: {share(drill['unproved'])}."
    return found


def cut(value: object, most: int) -> str:
    text = str(value)
    return text if len(text) <= most else f"{text[:most]}…"


def count(number: int) -> str:
    return f"{number:,}".replace(",", "\u00a0")  # no line breaks there


def share(what: Share) -> str:
    files = "1 file" if what["files"] == 1 else f"{count(what['files'])} files"
    return f"{files}, {size(what['bytes'])}"


def percent(part: Share, whole: Share) -> float | None:
    """Of the bytes; of the files if they are all empty; None if there are none."""
    for what in ("bytes", "files"):
        if whole[what]:
            found: float = 100 * part[what] / whole[what]
            return min(max(found, 0.0), 100.0)
    return None


def percent_text(value: float | None) -> str:
    """Never 100 % if something lacks, and never 0 % of something."""
    if value is None:
        return "–"  # noqa: RUF001
    if 99.9 < value < 100:
        return "> 99.9 %"
    if 0 < value < 0.1:
        return "< 0.1 %"
    return f"{value:.1f} %" if value not in (0, 100) else f"{value:.0f} %"


def duration(seconds: float | None) -> str:
    """Seconds as people say them: two units at most."""
    if seconds is None:
        return "–"  # noqa: RUF001
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for length, unit, less, name in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= length:
            rest = whole % length // less
            return f"{whole // length} {unit}" + (f" {rest} {name}" if rest else "")
    return f"{whole} s"


def moment(iso: str | None) -> str:
    """To the minute, in UTC, as the record has it."""
    if not iso:
        return "–"  # noqa: RUF001
    return f"{safe(iso[:16]).replace('T', ' ')} UTC" if len(iso) >= 16 else safe(iso)


def what_was_drilled(drill: Drill) -> str:
    """`part 3 of 14`, or `the whole archive`."""
    if not drill["sample"]:
        return "the whole archive"
    part, _, parts = drill["sample"].partition("/")
    return f"part {safe(part)} of {safe(parts)}"


def differences(drill: Drill) -> int:
    return sum(drill["differs"].values())
