#!/usr/bin/python3
"""An SFTP server that serves this machine's files, or lies: `evil_sftp.py [LIE]`.

It is apart from our reader, so that both cannot share an error. Without a word, the lie is in the
file /srv/control/lie; without that file it is honest.
"""

from __future__ import annotations

import contextlib
import os
import select
import stat
import struct
import sys
from pathlib import Path
from typing import Any

STATUS, HANDLE, DATA, NAME, ATTRS = range(101, 106)
# What ends a run as hostile, whenever it comes.
LIES = (
    "id",
    "length",
    "tiny",
    "kind",
    "ok",
    "slash",
    "nul",
    "nameless",
    "no-names",
    "count",
    "more",
    "cut",
    "mode",
    "flags",
    "paths",
    "handle",
    "twice",
    "version",
)


def text(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def attrs(st: os.stat_result, **more: int) -> bytes:
    size, uid, mode = (
        more.get(name, getattr(st, f"st_{name}")) for name in ("size", "uid", "mode")
    )
    times = (int(st.st_mtime) & 0xFFFFFFFF,) * 2
    return struct.pack(">IQIIIII", 15, size, uid, st.st_gid, mode, *times)


# The name of the one file that the lie "late" writes to.
CHANGES = b"borgpull-changes"


class Server:
    def __init__(self, lie: str) -> None:
        self.lie, self.open, self.next = lie, dict[bytes, Any](), 0
        self.late: list[tuple[int, int, bytes]] = []  # requests that wait, as they came

    def send(self, number: int, kind: int, body: bytes) -> None:
        if self.lie == "id":
            number += 7
        if self.lie == "kind" and kind == ATTRS:
            kind = 99
        if self.lie == "cut" and kind in (ATTRS, NAME):
            body = body[:-3]
        packet = struct.pack(">BI", kind, number) + body
        length = {"length": 1 << 30, "tiny": 2}.get(self.lie, len(packet))
        out = struct.pack(">I", length) + packet
        sys.stdout.buffer.write(out * (2 if self.lie == "twice" else 1))

    def status(self, number: int, code: int) -> None:
        self.send(number, STATUS, struct.pack(">I", code) + text(b"") * 2)

    def handle(self, opened: Any) -> bytes:
        self.next += 1
        name = b"h%d" % self.next
        self.open[name] = opened
        return text(name if self.lie != "handle" else b"x" * 999)

    def names(self, number: int, found: list[tuple[bytes, bytes]]) -> None:
        count = len(found) + (self.lie == "count")
        body = struct.pack(">I", count)
        self.send(number, NAME, body + b"".join(text(n) + text(b"") + a for n, a in found))

    def answer(self, kind: int, number: int, body: bytes) -> None:
        size = struct.unpack(">I", body[:4])[0]
        word, rest = body[4 : 4 + size], body[4 + size :]
        if self.lie == "ok" and kind == 7:
            return self.status(number, 0)
        try:
            self.do(kind, number, word, rest)
        except FileNotFoundError:
            self.status(number, 2)
        except PermissionError:
            self.status(number, 3)
        except OSError:
            self.status(number, 4)

    def do(self, kind: int, number: int, word: bytes, rest: bytes) -> None:
        if kind == 3:
            self.send(number, HANDLE, self.handle(open(word, "rb", buffering=0)))  # noqa: SIM115
        elif kind == 4:
            opened = self.open.pop(word)
            if not isinstance(opened, list):
                opened.close()
            self.status(number, 0)
        elif kind == 5 and self.lie == "ends":
            sys.exit()
        elif kind == 5:
            self.read(number, self.open[word], *struct.unpack(">QI", rest))
        elif kind == 8:
            self.send(number, ATTRS, attrs(os.fstat(self.open[word].fileno())))
        elif kind in (7, 17):
            st = os.stat(word, follow_symlinks=kind == 17)
            more = {"mode": 1 << 20} if self.lie == "mode" else {}
            if self.lie == "owner" and stat.S_ISREG(st.st_mode):
                more = {"uid": 77}
            found = attrs(st, **more)
            if self.lie == "bare" and word.endswith(b"/bare"):
                found = bytes(4)  # it tells nothing
            self.send(number, ATTRS, b"\x7f" + found[1:] if self.lie == "flags" else found)
        elif kind == 11:
            self.send(number, HANDLE, self.handle([word, *os.listdir(word)]))
        elif kind == 12:
            self.more(number, self.open[word])
        elif kind == 16:
            real = [(os.path.realpath(word), struct.pack(">I", 0))]
            self.names(number, real * (2 if self.lie == "paths" else 1))
        elif kind == 19:
            self.names(number, [(os.readlink(word), struct.pack(">I", 0))])
        else:
            self.status(number, 8)

    def read(self, number: int, file: Any, offset: int, length: int) -> None:
        content = os.pread(file.fileno(), length, offset)
        if self.lie == "short":
            content = content[: length // 2]
        if self.lie == "more":
            content = content + b"x" * length
        if self.lie == "eio" and offset:
            raise OSError
        if content:
            self.send(number, DATA, text(content))
        else:
            self.status(number, 1)

    def more(self, number: int, left: list[bytes]) -> None:
        folder, batch = left[0], left[1:101]
        if self.lie != "endless":
            del left[1:101]
        if not batch:
            self.status(number, 1)
            return
        found = []
        for name in batch:
            with contextlib.suppress(OSError):
                found.append((name, attrs(os.lstat(folder + b"/" + name))))
        odd = {"slash": b"a/b", "nul": b"a\0b", "nameless": b""}
        if self.lie in odd:
            found[0] = odd[self.lie], found[0][1]
        self.names(number, [] if self.lie == "no-names" else found)

    def wait_with(self, kind: int, number: int, body: bytes) -> bool:
        """Reads that go on beside the rest, as Go's server has them; a handle closes after them."""
        if self.lie == "late" and (kind == 5 or (kind == 4 and self.late)):
            self.late.append((kind, number, body))
            return True
        return False

    def catch_up(self) -> None:
        """Answer what waits, once nothing more is asked. Just before, an open CHANGES changes.

        No other file does: the client's /etc/passwd is read, too, and here it is the machine's own.
        """
        if not self.late or select.select([0], [], [], 0.2)[0]:
            return
        for file in self.open.values():
            if not isinstance(file, list) and os.path.basename(file.name) == CHANGES:
                Path(os.fsdecode(file.name)).write_bytes(b"x" * os.fstat(file.fileno()).st_size)
                os.utime(file.name, (7, 7))
        for kind, number, body in self.late:
            self.answer(kind, number, body)
        self.late.clear()


def taken(size: int) -> bytes:
    """So many bytes of what comes, and not one more: `catch_up` asks if there are any."""
    found = b""
    while len(found) < size and (piece := os.read(0, size - len(found))):
        found += piece
    return found


def main() -> None:
    file = Path("/srv/control/lie")
    lie = sys.argv[1] if sys.argv[1:] else file.read_text() if file.exists() else ""
    server = Server(lie)
    while head := taken(4):
        packet = taken(struct.unpack(">I", head)[0])
        if packet[0] == 1:
            version = 6 if lie == "version" else 3
            sys.stdout.buffer.write(struct.pack(">IBI", 5, 2, version))
        elif lie != "silent":
            asked = packet[0], struct.unpack(">I", packet[1:5])[0], packet[5:]
            if not server.wait_with(*asked):
                server.answer(*asked)
        server.catch_up()
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
