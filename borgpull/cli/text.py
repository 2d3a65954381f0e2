"""Values of a result or an event, as text that is harmless for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from borgpull.plain import safe as safe
from borgpull.plain import size as size


def owner_of(data: Mapping[str, Any]) -> str:
    """User and group of an item, their numbers where they have no names."""
    names = (data["user"], data["uid"]), (data["group"], data["gid"])
    return " ".join(
        str(next((word for word in pair if word not in (None, "")), "?")) for pair in names
    )


def when(text: str | None) -> str:
    """A time of the results (ISO 8601) for people: in the local zone (TZ), and with its offset."""
    try:
        return datetime.fromisoformat(text or "").astimezone().isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):  # none, or one that the zone's rules do not reach
        return safe(text or "?")


def mark(item: dict[str, Any]) -> str:
    """What is to be said of an archive's standing: of a verified one nothing."""
    standing = str(item["standing"])
    return "" if standing == "verified" else f"  {standing.replace('_', ' ').upper()}"


def age(seconds: int) -> str:
    """An age in the largest unit of which it has two or more."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if abs(seconds) >= 2 * length:
            return f"{int(seconds / length)} {unit}"
    return f"{seconds} s"


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines in which the columns stand below one another."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, cells, widths)).rstrip() for cells in rows]
