"""`python3 -m borgpull.borg.inside.sending borg extract …`: stock `borg extract`, but the helper of
`restore --how stream` writes the files, on another machine.

Standard output leads to the helper, and standard input comes from it. borg chooses the items, and
finds their order, hard links and folders as always. In the place of its own writing of an item, we
send the item. What the helper could not do is a warning, in borg's words.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from borgpull.borg.inside import blake2, looking, outlet
from borgpull.borg.inside.acls import entries
from borgpull.borg.inside.outlet import Ended, Outlet, Stalled
from borgpull.borg.inside.replies import BadReply, Told, Trouble

# Exit codes that borg has not: a target that lies, one that does nothing, a broken connection.
HOSTILE, STALLED, LOST = 3, 4, 255
SMALL = 512 << 10  # bytes of a file that is sent as one frame
PROGRESS_SECONDS = 0.5
# Flags as borg stores them, and as Linux counts them (borg 1.4.5, platform/linux.pyx).
LINUX_FLAGS = {
    stat.UF_NODUMP: 0x40,
    stat.UF_IMMUTABLE: 0x10,
    stat.UF_APPEND: 0x20,
    stat.UF_COMPRESSED: 0x04,
}
SPECIAL = (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK)


class Sender:
    """Sends items in the place of extracting them."""

    def __init__(self, archiver: Any, read_fd: int, write_fd: int) -> None:
        self._archiver = archiver
        self.outlet = Outlet(read_fd, write_fd, self._heard)
        self._paths: deque[str] = deque()  # of the items that the helper may speak of
        self._first = 1  # the number of the first of them
        self._unsent: set[str] = set()  # files that could not be read
        self._next_progress = 0.0

    def begin(self, root: str) -> None:
        self.outlet.send(outlet.ROOT, {"p": root})
        self.outlet.push()

    def extract_item(
        self,
        archive: Any,
        item: Any,
        *,
        restore_attrs: bool = True,
        hardlink_masters: dict[str, Any] | None = None,
        stripped_components: int = 0,
        original_path: str | None = None,
        **_: Any,
    ) -> None:
        """In the place of borg's own (borg 1.4.5, archive.py). Raises borg's BackupError."""
        mode, path = item.mode, original_path or item.path
        if stat.S_ISDIR(mode):
            head = self._head(archive, item, path) if restore_attrs else {"p": item.path}
            self._item(outlet.CLOSE if restore_attrs else outlet.FOLDER, path, head)
            return
        masters = {} if hardlink_masters is None else hardlink_masters
        if not stat.S_ISLNK(mode) and "source" in item:
            first = "/".join(item.source.split("/")[stripped_components:])
            chunks, there = masters.get(item.source, (None, first))
            if there:
                if there in self._unsent:  # another file may be in its place
                    raise failure("link", errno.ENOENT, f"{there} could not be restored")
                self._item(outlet.LINK, path, {"p": item.path, "s": there})
                return
            if chunks is not None:  # its first name was not chosen
                item.chunks = chunks
        if stat.S_ISREG(mode):
            self._unsent.add(item.path)
            self._file(archive, item, path)
            self._unsent.remove(item.path)
        elif stat.S_IFMT(mode) in SPECIAL:
            head = self._head(archive, item, path)
            head.update({"s": item.source} if stat.S_ISLNK(mode) else {"d": item.get("rdev", 0)})
            self._item(outlet.NODE, path, head)
        else:
            raise failure("make", errno.EINVAL, f"unknown type {mode:o}")
        name = item.get("source") or path
        if name in masters and not stat.S_ISLNK(mode):
            masters[name] = (None, item.path)  # further names are links to this one

    def _item(self, kind: int, path: str, head: dict[str, Any], *content: bytes) -> None:
        self._paths.append(path)
        self.outlet.send(kind, head, *content)

    def _file(self, archive: Any, item: Any, path: str) -> None:
        from borg.archive import zeros  # type: ignore[import-not-found]

        if "chunks_healthy" in item:  # what is there now is zeros
            raise failure("read", errno.EIO, "chunks of it are lost (--how native writes the rest)")
        chunks = item.get("chunks", ())
        size = sum(chunk.size for chunk in chunks)
        if item.get("size", size) != size:
            raise failure("read", errno.EIO, f"it has {size} of its {item.size} bytes")
        content = read(archive, chunks)
        head = self._head(archive, item, path)
        if size <= SMALL:
            pieces = list(content)
            if not any(zeros.startswith(piece) for piece in pieces if piece):
                self._item(outlet.FILE, path, {**head, "c": 1}, *pieces)
                return
            content = iter(pieces)
        self._item(outlet.FILE, path, head)
        end = outlet.DROP
        try:
            for piece in content:
                if zeros.startswith(piece):
                    self.outlet.send(outlet.HOLE, {"n": len(piece)})
                else:
                    self.outlet.send(outlet.DATA, None, piece)
            end = outlet.END
        finally:
            self.outlet.send(end)

    def _head(self, archive: Any, item: Any, path: str) -> dict[str, Any]:
        """All but the content."""
        numeric = archive.numeric_ids
        mtime = item.mtime
        head = {
            "p": item.path,
            "m": item.mode,
            "u": (max(item.uid, 0), None if numeric else item.get("user") or None),
            "g": (max(item.gid, 0), None if numeric else item.get("group") or None),
            "t": (item.get("atime", mtime), mtime),
        }
        if xattrs := item.get("xattrs"):
            named = {os.fsdecode(key): (value or b"").hex() for key, value in xattrs.items()}
            head["x"] = named
        if "bsdflags" in item:
            flags = (linux for flag, linux in LINUX_FLAGS.items() if item.bsdflags & flag)
            head["f"] = sum(flags)
        texts = [item.get(f"acl_{kind}") or b"" for kind in ("access", "default")]
        if any(texts):
            try:
                head["a"] = [entries(text, numeric=numeric) for text in texts]
            except ValueError as error:
                self._warn(path, "acl", errno.EINVAL, str(error))
                head["m"] &= ~0o077  # who may do what, the ACL would say
        return head

    def finish(self) -> None:
        self.outlet.finish()

    def _heard(self, reply: Trouble | Told) -> None:
        if isinstance(reply, Trouble):
            text = os.strerror(reply.errno) + (f" ({reply.detail})" if reply.detail else "")
            self._warn(self._paths[reply.number - self._first], reply.op, reply.errno, text)
            return
        while self._first < reply.number:  # the item of that number may still be written
            self._paths.popleft()
            self._first += 1
        if time.monotonic() >= self._next_progress:
            self._next_progress = time.monotonic() + PROGRESS_SECONDS
            path = self._paths[0] if self._paths else ""
            # As `borg extract --progress`, but of what is written.
            message = {"type": "progress_percent", "msgid": "extract", "current": reply.bytes}
            line({**message, "info": [path]})

    def _warn(self, path: str, op: str, number: int, text: str) -> None:
        from borg.helpers import BackupWarning  # type: ignore[import-not-found]

        self._archiver.print_warning_instance(BackupWarning(path, failure(op, number, text)))


def read(archive: Any, chunks: Any) -> Iterator[bytes]:
    """The pieces of a file. Raises BackupError if one is missing or damaged."""
    from borg.helpers import IntegrityError
    from borg.repository import Repository  # type: ignore[import-not-found]

    pieces = archive.pipeline.fetch_many([chunk.id for chunk in chunks], is_preloaded=True)
    for chunk in chunks:
        try:
            piece = next(pieces)
        except (Repository.ObjectNotFound, IntegrityError, StopIteration) as error:
            raise failure("read", errno.EIO, f"a chunk is {type(error).__name__}") from None
        if len(piece) != chunk.size:
            raise failure("read", errno.EIO, f"a chunk has {len(piece)} bytes, not {chunk.size}")
        blake2.HASHES.see(piece)
        yield piece


def failure(op: str, number: int, text: str) -> Exception:
    """An error about one item, of borg's class for its number."""
    from borg.archive import backup_io
    from borg.helpers import BackupError

    try:
        with backup_io(op):
            raise OSError(number, text)
    except BackupError as error:
        made: Exception = error
    return made


def line(message: dict[str, Any]) -> None:
    sys.stderr.write(json.dumps(message) + "\n")
    sys.stderr.flush()


@contextlib.contextmanager
def ends() -> Iterator[None]:
    """Make what ends the session an exit code. Raises SystemExit."""
    codes = {BadReply: HOSTILE, Stalled: STALLED, Ended: LOST}
    try:
        yield
    except tuple(codes) as error:
        line({"type": "log_message", "levelname": "ERROR", "name": "send", "message": str(error)})
        raise SystemExit(codes[type(error)]) from None


def pipes() -> tuple[int, int]:
    """The pipes to the helper, which nobody else may use: borg's own words are for our reader."""
    found = os.dup(0), os.dup(1)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return found


def main() -> None:
    """Run the borg command line after the folder in our arguments. Does not return."""
    from borg import archive, archiver  # type: ignore[import-not-found]

    blake2.use()
    read_fd, write_fd = pipes()
    root, *sys.argv = sys.argv[1:]
    stock = archiver.Archiver.do_extract

    def do_extract(self: Any, *args: Any, **options: Any) -> Any:
        sender = Sender(self, read_fd, write_fd)

        def extract_item(self: Any, item: Any, **how: Any) -> None:
            sender.extract_item(self, item, **how)

        archive.Archive.extract_item = extract_item
        with ends():
            sender.begin(root)
            code = stock(self, *args, **options)
            sender.finish()
            return code

    archiver.Archiver.do_extract = do_extract
    looking.begin(sys.argv)
    archiver.main()


if __name__ == "__main__":
    main()
