"""`python3 -m borgpull.borg.exact borg list --json-lines …`: stock `borg list`, not rounded.

borg puts question marks for bytes that are no text into every listing (borg 1.4.5, parseformat.py),
though JSON can carry them; it rounds times to microseconds, and does not list xattrs and ACLs. What
is looked up by its name on another machine needs the name, and what a restore may lose has to be
counted.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def main() -> None:
    """Run the borg command line in our arguments. Does not return."""
    from borg.archiver import main as borg  # type: ignore[import-not-found]
    from borg.helpers import parseformat  # type: ignore[import-not-found]

    parseformat.remove_surrogates = lambda text, errors="replace": text
    known = parseformat.ItemFormatter.get_item_data

    def all_of_it(self: Any, item: Any) -> str:
        more = {
            "mtime_ns": item.get("mtime", 0),
            "xattrs": len(item.get("xattrs", ())),
            "acls": "acl_access" in item or "acl_default" in item,
        }
        return json.dumps({**known(self, item), **more}) + "\n"

    parseformat.ItemFormatter.format_item_json = all_of_it
    sys.argv = sys.argv[1:]
    borg()


if __name__ == "__main__":
    main()
