"""`python3 -m borgpull.borg.exact borg list --json-lines …`: stock `borg list`, not rounded.

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


def _row(item: Any) -> str:
    """What `items.py` reads; borg's own dictionary of some twenty keys takes twice the time."""
    mode, source = stat.filemode(item.mode), item.get("source", "")
    return json.dumps(
        {
            "path": item.path,
            "mode": mode,
            "size": item.get_size(),  # of a later name of a hard link it is 0
            "mtime_ns": item.get("mtime", 0),
            "uid": item.uid,
            "gid": item.gid,
            "user": item.user or item.uid,
            "group": item.group or item.gid,
            "source": source,
            "xattrs": len(item.get("xattrs", ())),
            "acls": "acl_access" in item or "acl_default" in item,
            "flags": item.get("bsdflags", 0),
        }
    )


def main() -> None:
    """Run the borg command line in our arguments, or the one that comes."""
    from borg import archiver  # type: ignore[import-not-found]
    from borg.helpers import parseformat  # type: ignore[import-not-found]

    stream = archiver.ErrorIgnoringTextIOWrapper

    def buffered(buffer: Any, *args: Any, line_buffering: bool) -> Any:
        """Not a write for each line of the listing."""
        return stream(buffer, *args, line_buffering=line_buffering and buffer is error.buffer)

    error, archiver.ErrorIgnoringTextIOWrapper = sys.stderr, buffered
    parseformat.remove_surrogates = lambda text, errors="replace": text
    parseformat.ItemFormatter.format_item_json = lambda _self, item: _row(item) + "\n"
    if argv := sys.argv[1:] or waiting.command():
        sys.argv = argv
        archiver.main()


if __name__ == "__main__":
    main()
