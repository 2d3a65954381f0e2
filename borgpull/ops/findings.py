"""What is told of a backup beside its result: what changed, vanished, came, or was left out."""

from __future__ import annotations

from collections.abc import Sequence

from borgpull import events
from borgpull.client.mounts import KERNEL
from borgpull.events import Emit
from borgpull.methods import Source
from borgpull.methods.base import Verdict

SHOWN_PATHS = 20


def some(paths: Sequence[str]) -> str:
    rest = len(paths) - SHOWN_PATHS
    return ", ".join(paths[:SHOWN_PATHS]) + (f" and {rest} more" if rest > 0 else "")


def tell(
    verdict: Verdict,
    allowed: Sequence[str],
    vanished: Sequence[str],
    source: Source,
    emit: Emit,
) -> None:
    """Warnings and notes of a run whose archive is verified."""
    for path in verdict.changed:
        events.warning(emit, "changed while it was saved", path="/" + path)
    for path in vanished:
        events.warning(emit, "vanished while it was saved", path=path)
    for path in verdict.came:
        events.warning(emit, "came while the client was saved: not in the archive", path="/" + path)
    for path in source.reread["differs"] if source.reread else ():
        text = "its content has changed, and its times and size have not: it is saved as it is now"
        events.warning(emit, text, path="/" + path)
    for path in allowed:
        events.warning(emit, "not saved, as allowed", path=path)
    if source.tagged is not None and source.tagged["folders"]:
        named = ", ".join(source.tagged["paths"][:SHOWN_PATHS])
        events.note(emit, f"left out by a tag: {source.tagged['folders']} folders, say {named}")
    for item in source.left_out:
        text = f"left out: {item['path']} ({item['fstype']})"
        if "asked" in item:
            events.warning(emit, f"{text}; name it as a path to have it saved")
        elif item["fstype"] not in KERNEL:
            events.note(emit, text)
