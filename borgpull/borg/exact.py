"""`python3 -m borgpull.borg.exact borg list --json-lines …`: stock `borg list`, not rounded, and
some hundred items as one line of JSON.

Without a command line it waits for one, as `waiting.py` does.

borg puts question marks for bytes that are no text into every listing (borg 1.4.5, parseformat.py),
though JSON can carry them; it rounds times to microseconds, and does not list xattrs and ACLs. What
is looked up by its name on another machine needs the name, and what a restore may lose has to be
counted.
"""

from __future__ import annotations

import json
import stat
import sys
from typing import Any

from borgpull.borg import waiting

# Items in a line of the listing.
ROWS = 500


def _row(item: Any) -> list[Any]:
    """What `items.Row` reads; borg's own dictionary of some twenty keys takes twice the time."""
    return [
        item.path,
        stat.filemode(item.mode),
        item.get_size(),  # of a later name of a hard link it is 0
        item.get("mtime", 0),
        item.uid,
        item.gid,
        item.user or item.uid,
        item.group or item.gid,
        item.get("source", ""),
        len(item.get("xattrs", ())),
        "acl_access" in item or "acl_default" in item,
        item.get("bsdflags", 0),
        len(item.get("chunks", ())),
    ]


class _Lines:
    """Rows by the hundred as one line of JSON; what is left comes with the end of the listing."""

    def __init__(self) -> None:
        self.rows: list[list[Any]] = []

    def add(self, item: Any) -> str:
        """borg's text for an item: none, or the line that is full."""
        self.rows.append(_row(item))
        return self.rest() if len(self.rows) == ROWS else ""

    def rest(self) -> str:
        rows, self.rows = self.rows, []
        return json.dumps(rows) + "\n" if rows else ""


def main() -> None:
    """Run the borg command line in our arguments, or the one that comes."""
    from borg import archiver  # type: ignore[import-not-found]
    from borg.helpers import parseformat  # type: ignore[import-not-found]

    lines = _Lines()
    listing = archiver.Archiver._list_archive

    def to_the_end(*args: Any, **options: Any) -> Any:
        code = listing(*args, **options)
        sys.stdout.write(lines.rest())
        return code

    archiver.Archiver._list_archive = to_the_end
    stream = archiver.ErrorIgnoringTextIOWrapper

    def buffered(buffer: Any, *args: Any, line_buffering: bool) -> Any:
        """Not a write for each line of the listing."""
        return stream(buffer, *args, line_buffering=line_buffering and buffer is error.buffer)

    error, archiver.ErrorIgnoringTextIOWrapper = sys.stderr, buffered
    parseformat.remove_surrogates = lambda text, errors="replace": text
    parseformat.ItemFormatter.format_item_json = lambda _self, item: lines.add(item)
    if argv := sys.argv[1:] or waiting.command():
        sys.argv = argv
        archiver.main()


if __name__ == "__main__":
    main()
