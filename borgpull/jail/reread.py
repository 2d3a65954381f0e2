"""Look once more at files that differ from the archive: `python3 -m borgpull.jail.reread`.

Runs in the jail, in the client's tree, which is mounted afresh. Standard input holds the `differs`
findings of `compare`, with each byte of the names. The output has each finding with the file as it
is now, and whether it can be read to its end.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator

from borgpull.jail.compare import difference
from borgpull.jail.findings import Finding


def read_again(lines: Iterable[bytes]) -> Iterator[Finding]:
    """The findings, each with the file as it is now, and whether it can be read to its end."""
    for line in lines:
        finding = json.loads(line)
        path = finding["differs"]
        item = ("-", finding["archived"], finding["mtime"])
        try:
            info = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            yield {**finding, "now": None}
            continue
        now = difference(path, item, info)
        if now["now"] is not None:
            now["unreadable"] = reads_short(path, info.st_size)
        yield now


def reads_short(path: str, size: int) -> bool:
    """Does the file end, when read, before the size that its folder's listing gave?

    A stat after the reading proves nothing: the kernel takes an early end of file for the file's
    new size (fs/fuse/file.c, fuse_read_update_size).
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return True
    try:
        count = 0
        while block := os.read(fd, 1 << 20):
            count += len(block)
        return count < size
    except OSError:
        return True
    finally:
        os.close(fd)


def main() -> None:
    try:
        for finding in read_again(sys.stdin.buffer):
            print(json.dumps(finding))
    except OSError as error:
        sys.exit(f"{error.filename or ''}: {error.strerror}")


if __name__ == "__main__":
    main()
