"""The figures of one run that the rules of the guard are about."""

from __future__ import annotations

from typing import Any, TypedDict, cast


class Figures(TypedDict):
    """Spare files are in none of these (`spare.py`)."""

    archive: str
    archive_id: str
    time: str  # of the run: ISO 8601, in UTC
    files: int  # that the archive has, by their first names
    bytes: int  # of their content
    hard: int  # of these files, as far as is known: hard to compress
    # Compared with the last good run:
    gone: int  # paths that are no more, and whose content is at no other path that came
    gone_bytes: int
    moved: int
    rewritten: int  # paths that have another content
    rewritten_hard: int  # of these: now hard to compress
    # Files that turned hard to compress: in their place, or under another name. Those whose names
    # say that they are packed are not among them.
    turned: int
    turned_bytes: int
    items: dict[str, int]  # of the archive, by borg's type letters; spare files, too
    content: int  # bytes of all of them
    unreadable: int  # paths whose loss the user has allowed
    empty: list[str]  # folders near the root without any file in them, or that lost all files
    measured: bool  # is it known what is hard to compress?
    good: bool  # did no rule find anything?
    accepted: bool  # did a user accept what the rules found?


def nothing(archive: str, archive_id: str, time: str) -> Figures:
    """Those of a run in which nothing was lost."""
    found: dict[str, Any] = {
        **dict.fromkeys(_COUNTS, 0),
        "archive": archive,
        "archive_id": archive_id,
        "time": time,
        "items": {},
        "empty": [],
        "measured": True,
        "good": True,
        "accepted": False,
    }
    return cast("Figures", found)


_COUNTS = (
    *("files", "bytes", "hard", "gone", "gone_bytes", "moved", "rewritten", "rewritten_hard"),
    *("turned", "turned_bytes", "content", "unreadable"),
)


def sound(found: object) -> bool:
    """Has a record of the state all that the rules read?"""
    if not isinstance(found, dict) or found.keys() < Figures.__annotations__.keys():
        return False
    numbers = all(type(found[key]) is int and found[key] >= 0 for key in _COUNTS)
    flags = all(isinstance(found[key], bool) for key in ("measured", "good", "accepted"))
    texts = all(isinstance(found[key], str) for key in ("archive", "archive_id", "time"))
    names = isinstance(found["empty"], list) and all(isinstance(x, str) for x in found["empty"])
    return numbers and flags and texts and names and isinstance(found["items"], dict)
