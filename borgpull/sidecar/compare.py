"""Compare an archive with the client's tree: `python3 -m borgpull.sidecar.compare [--read]`.

Runs in the jail. Reads `borg list` records (FORMAT below) on standard input, looks every regular
file up on the client by listing its folder, and prints one JSON line for each whose size differs,
then a line of counts. sshfs turns a remote read error into an early end of file
(libfuse/sshfs#224), and borg then archives a shortened file with exit code 0: this is where that
is found.

With --read a differing file is also read to its end, to tell one that changed from one that cannot
be read.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any

# For `borg list --format`; the path is last because it may hold anything but NUL. Bytes that are no
# UTF-8 come as question marks, whatever the key: borg's standard output replaces them.
FORMAT = "{type}{TAB}{size}{TAB}{isomtime}{TAB}{path}{NUL}"
# Listings under way at once: hides the round trip without crowding the client's sftp-server.
WORKERS = 8

Record = tuple[str, int, str, str]  # type, size, mtime (ISO), path


def records(data: Iterable[bytes]) -> Iterator[Record]:
    rest = b""
    for block in data:
        *whole, rest = (rest + block).split(b"\0")
        for item in whole:
            kind, size, mtime, path = item.split(b"\t", 3)
            yield kind.decode(), int(size), mtime.decode(), os.fsdecode(path)
    if rest:
        raise SystemExit("the list of the archive ends in mid-record")


def as_listed(name: str) -> str:
    """A file name as borg's listing shows it (borg's remove_surrogates)."""
    return name.encode(errors="replace").decode()


def find_folders(folder: str) -> list[str]:
    """The real folders that a folder of the listing can stand for: one, but for names not UTF-8."""
    if "?" not in folder:
        return [folder or "."]
    found = ["."]
    for part in folder.split("/"):
        if "?" in part:
            found = [
                f"{head}/{name}"
                for head in found
                for name in _names(head)
                if as_listed(name) == part
            ]
        else:
            found = [f"{head}/{part}" for head in found]
    return found


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def look(folder: str, wanted: set[str]) -> dict[str, list[tuple[str, os.stat_result]]]:
    """What is now in a folder, by listed name: real path and status of each."""
    now: dict[str, list[tuple[str, os.stat_result]]] = {}
    for real in find_folders(folder):
        try:
            with os.scandir(real) as entries:
                for entry in entries:
                    if (name := as_listed(entry.name)) in wanted:
                        now.setdefault(name, []).append(
                            (entry.path, entry.stat(follow_symlinks=False))
                        )
        except (FileNotFoundError, NotADirectoryError):
            continue
    return now


def compare_folder(folder: str, files: list[Record], *, read: bool) -> list[dict[str, Any]]:
    """The differing files of one folder (relative to the client's root)."""
    now = look(folder, {os.path.basename(item[3]) for item in files})
    differing: list[dict[str, Any]] = []
    for _, size, mtime, path in files:
        here = now.get(os.path.basename(path), [])
        same = next((item for item in here if item[1].st_size == size), None)
        if same is not None:
            here.remove(same)
        elif not here:
            differing.append({"path": path, "archived": size, "mtime": mtime, "now": None})
        else:
            real, info = here[0]
            entry = {"path": path, "archived": size, "mtime": mtime, "now": info.st_size}
            entry["now_mtime"] = int(info.st_mtime)
            if read:
                entry["unreadable"] = reads_short(real, info.st_size)
            differing.append(entry)
    return differing


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


def compare(items: Iterable[Record], *, read: bool) -> Iterator[dict[str, Any]]:
    """Differing files, then the counts by type as {"counts": ..., "bytes": ...}."""
    counts: Counter[str] = Counter()
    total = 0

    def regular() -> Iterator[Record]:
        nonlocal total
        for item in items:
            counts[item[0]] += 1
            if item[0] == "-":
                total += item[1]
                yield item

    with ThreadPoolExecutor(WORKERS) as pool:
        waiting = []
        for folder, files in groupby(regular(), key=lambda item: os.path.dirname(item[3])):
            waiting.append(pool.submit(compare_folder, folder, list(files), read=read))
            while len(waiting) > 4 * WORKERS:
                yield from waiting.pop(0).result()
        for future in waiting:
            yield from future.result()
    os.stat(".")  # the mount must still answer, whatever the archive holds
    with os.scandir(".") as entries:
        next(entries, None)
    yield {"counts": dict(counts), "bytes": total}


def main() -> None:
    data = iter(lambda: os.read(0, 1 << 20), b"")
    try:
        for entry in compare(records(data), read="--read" in sys.argv[1:]):
            print(json.dumps(entry))
    except OSError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
