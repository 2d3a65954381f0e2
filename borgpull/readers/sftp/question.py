"""What the reader says of a client before it lists: its mounts, its names of users, each path."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import Any

from borgpull.borg.inside.wire import MAX_OWNER
from borgpull.readers.sftp import packets
from borgpull.readers.sftp.link import Link
from borgpull.readers.sftp.packets import ATTRS, BLOCK, HANDLE, NAME, OK, STATUS, Attrs
from borgpull.readers.telling import Names

MAX_FILE = 8 << 20  # bytes
MOUNTS, CPU = "/proc/self/mountinfo", "/proc/cpuinfo"
USERS, GROUPS = "/etc/passwd", "/etc/group"


class Text:
    """A plain file of the client. `content` is None if it cannot be read to its end."""

    def __init__(self, link: Link, path: str) -> None:
        self._link, self._handle = link, b""
        self._path = packets.text(os.fsencode(path))
        self._parts: list[bytes] = []
        self._size = 0
        self.content: bytes | None = None
        self.looked: Attrs | None = None
        link.ask(packets.STAT, self._path, ATTRS, self._take_look)

    def _take_look(self, status: int, body: bytes) -> None:
        self.looked = packets.attrs(body) if status == OK else None
        # A FIFO would not open before somebody writes.
        if self.looked is not None and stat.S_ISREG(max(self.looked.mode, 0)):
            opening = self._path + bytes.fromhex("0000000100000000")
            self._link.ask(packets.OPEN, opening, HANDLE, self._take_handle)

    def _take_handle(self, status: int, body: bytes) -> None:
        if status == OK:
            self._handle = packets.handle(body)
            self._more()

    def _more(self) -> None:
        body = packets.reading(self._handle, self._size, BLOCK)
        self._link.ask(packets.READ, body, packets.DATA, self._take)

    def _take(self, status: int, body: bytes) -> None:
        if status == OK:
            self._parts.append(packets.data(body, BLOCK))
            self._size += len(self._parts[-1])
        if status == OK and self._size < MAX_FILE:
            self._more()
            return
        if status == packets.EOF:
            self.content = b"".join(self._parts)
        self._link.ask(packets.CLOSE, packets.text(self._handle), STATUS, lambda _code, _body: None)


class Named:
    """What a path is, as the helper's `about` says it."""

    def __init__(self, link: Link, path: bytes) -> None:
        self._link, self._path, self._handle = link, packets.text(path), b""
        self.said: dict[str, Any] = {}
        link.ask(packets.LSTAT, self._path, ATTRS, self._take_look)

    def _take_look(self, status: int, body: bytes) -> None:
        if status:
            self.said = {"errno": packets.number_of(status)}
            return
        mode = max(packets.attrs(body).mode, 0)
        if stat.S_ISLNK(mode):
            self.said = {"link": ""}
            self._link.ask(packets.REALPATH, self._path, NAME, self._take_target)
        elif stat.S_ISDIR(mode):
            self.said = {"holds": "something"}  # if it cannot be listed, the listing will tell
            self._link.ask(packets.OPENDIR, self._path, HANDLE, self._take_handle)
        else:
            self.said = {"plain": 1 + stat.S_ISSOCK(mode)}

    def _take_target(self, status: int, body: bytes) -> None:
        if status == OK:
            self.said = {"link": packets.path(body).hex()}

    def _take_handle(self, status: int, body: bytes) -> None:
        if status == OK:
            self._handle = packets.text(packets.handle(body))
            self.said = {"holds": ""}
            self._link.ask(packets.READDIR, self._handle, NAME, self._take_names)

    def _take_names(self, status: int, body: bytes) -> None:
        for _, attrs in packets.names(body) if status == OK else []:
            self.said = {"holds": "sockets" if stat.S_ISSOCK(max(attrs.mode, 0)) else "something"}
            if self.said["holds"] == "something":
                break
        if status not in (OK, packets.EOF):
            self.said = {"holds": "something"}
        if status == OK and self.said["holds"] != "something":
            self._link.ask(packets.READDIR, self._handle, NAME, self._take_names)
        else:
            self._link.ask(packets.CLOSE, self._handle, STATUS, lambda _code, _body: None)


def ask(link: Link, paths: Sequence[bytes]) -> tuple[dict[str, Any], Names]:
    """The answer to the question, without what SFTP does not tell; and the names of users.

    Raises BadAnswer, Ended.
    """
    texts = {path: Text(link, path) for path in (MOUNTS, CPU, USERS, GROUPS)}
    named = [Named(link, path) for path in paths]
    link.drain()
    content = {path: text.content or b"" for path, text in texts.items()}
    answer = {
        "mounts": content[MOUNTS].hex(),
        "cpu": content[CPU][: 16 << 10].decode("ascii", "replace"),
        "names": texts[USERS].content is not None,
        "paths": [path.said for path in named],
    }
    # A file of the kernel has no size, and gets its time when a process first looks at it.
    seen = texts[MOUNTS].looked
    if seen is not None and seen.size == 0 and seen.mtime > 0:
        answer["passed"] = seen.mtime
    return answer, (names(content[USERS]), names(content[GROUPS]))


def names(text: bytes) -> dict[int, bytes]:
    """Names by their numbers, from lines of passwd(5) or group(5). The first line of a number
    counts, as it does for getpwuid(3)."""
    found: dict[int, bytes] = {}
    for line in text.split(b"\n"):
        fields = line.split(b":")
        good = len(fields) >= 3 and 0 < len(fields[0]) <= MAX_OWNER and b"\0" not in fields[0]
        if good and fields[2].isdigit() and len(fields[2]) <= 10:
            found.setdefault(int(fields[2]), fields[0])
    return found
