"""`python3 -m borgpull.borg.inside.exact borg list --json-lines …`: stock `borg list`, not rounded,
and some hundred items as one line of JSON.

Without a command line it waits for one, as `waiting.py` does.

In every listing, borg puts question marks for bytes that are no text (borg 1.4.5, parseformat.py),
though JSON can carry them. It rounds times to microseconds, and does not list xattrs and ACLs. But
another machine is asked for a file by its exact name, and losses of a restore must be counted.
Holes are counted, too: borg extracts a chunk of nothing but zeros as a hole (--sparse).
"""

from __future__ import annotations

import functools
import json
import stat
import sys
from typing import Any

from borgpull.borg.inside import looking, waiting

# Items in a line of the listing.
ROWS = 500


# The largest chunk of borg, in bytes (borg 1.4.5, constants.py, MAX_DATA_SIZE).
MAX_CHUNK = 20 << 20


class _Zeros:
    """The largest chunk of zeros that borg makes: borg cuts holes into these, but for their ends.

    No other size is looked for: to hash a chunk takes as long as to write it.
    """

    def __init__(self, key: Any, archive: Any) -> None:
        self._key, self._size = key, _largest(archive.metadata.get("chunker_params") or ())

    @functools.cached_property
    def _id(self) -> bytes:
        return bytes(self._key.id_hash(bytes(self._size)))

    def within(self, chunks: Any) -> int:
        """In bytes."""
        found = (chunk for chunk in chunks if chunk.size == self._size <= MAX_CHUNK)
        return sum(chunk.size for chunk in found if chunk.id == self._id)


def _largest(params: Any) -> int:
    """The size of the largest chunk; 0 if not known. In borg 1.1 the chunker had no name yet."""
    sizes = [word for word in params if word != "buzhash"]
    try:
        return int(sizes[1]) if sizes[0] == "fixed" else 1 << min(sizes[1], 64)
    except (IndexError, TypeError, ValueError):  # a client's borg may write anything
        return 0


def _row(item: Any, zeros: _Zeros | None) -> list[Any]:
    """The fields of `trees.item.Item` up to its holes, in their order. The last value says whether
    it may be the first name of hard links. borg's own dictionary of some twenty keys takes twice
    the time."""
    chunks, source = item.get("chunks", ()), item.get("source", "")
    symlink = stat.S_ISLNK(item.mode)
    return [
        item.path,
        stat.filemode(item.mode),
        item.get_size(),  # 0 for a later name of a hard link
        item.get("mtime", 0),
        item.uid,
        item.gid,
        item.user or item.uid,
        item.group or item.gid,
        source if symlink else "",
        "" if symlink else source,
        ",".join(sorted(key.hex() for key in item.get("xattrs", ()))),
        # borg stores both of a folder, also if it has one. Without a mask, the mode says the same.
        (b"mask:" in item.get("acl_access", b"")) + 2 * bool(item.get("acl_default")),
        item.get("bsdflags", 0),
        len(chunks),
        zeros.within(chunks) if zeros else 0,
        not stat.S_ISDIR(item.mode) and "source" not in item and item.get("hardlink_master", True),
    ]


class _Lines:
    """Packs ROWS rows into a line of JSON; the end of the listing brings the rest."""

    def __init__(self) -> None:
        self.rows: list[list[Any]] = []
        self.zeros: _Zeros | None = None

    def begin(self, key: Any, archive: Any) -> None:
        self.zeros = _Zeros(key, archive)

    def add(self, item: Any) -> str:
        """The text that borg prints for an item: "", or a full line."""
        self.rows.append(_row(item, self.zeros))
        return self.rest() if len(self.rows) == ROWS else ""

    def rest(self) -> str:
        rows, self.rows = self.rows, []
        return json.dumps(rows) + "\n" if rows else ""


def main() -> None:
    """Run the borg command line in our arguments, or wait for one."""
    from borg import archiver  # type: ignore[import-not-found]
    from borg.helpers import parseformat  # type: ignore[import-not-found]

    lines = _Lines()
    listing = archiver.Archiver._list_archive

    def to_the_end(*args: Any, **options: Any) -> Any:
        code = listing(*args, **options)
        sys.stdout.write(lines.rest())
        return code

    archiver.Archiver._list_archive = to_the_end

    class Opened(archiver.Archive):  # type: ignore[misc]
        """borg opens the one archive that it lists."""

        def __init__(self, repository: Any, key: Any, *args: Any, **options: Any) -> None:
            super().__init__(repository, key, *args, **options)
            lines.begin(key, self)

    archiver.Archive = Opened
    stream = archiver.ErrorIgnoringTextIOWrapper

    def buffered(buffer: Any, *args: Any, line_buffering: bool) -> Any:
        """The output with a buffer, so that not each line of the listing is a write."""
        return stream(buffer, *args, line_buffering=line_buffering and buffer is error.buffer)

    error, archiver.ErrorIgnoringTextIOWrapper = sys.stderr, buffered
    parseformat.remove_surrogates = lambda text, errors="replace": text
    parseformat.ItemFormatter.format_item_json = lambda _self, item: lines.add(item)
    if argv := sys.argv[1:] or waiting.command():
        sys.argv = argv
        looking.begin(argv)
        archiver.main()


if __name__ == "__main__":
    main()
