"""SFTP version 3 as it is on the wire (draft-ietf-secsh-filexfer-02): nothing in it is believed.

Each reply is taken apart within bounds. What is beyond one raises BadAnswer, and nothing else.
"""

from __future__ import annotations

import errno
import struct
from typing import NamedTuple

from borgpull.readers.child import BadAnswer

INIT, VERSION, OPEN, CLOSE, READ, LSTAT, FSTAT = 1, 2, 3, 4, 5, 7, 8
OPENDIR, READDIR, REALPATH, STAT, READLINK = 11, 12, 16, 17, 19
STATUS, HANDLE, DATA, NAME, ATTRS = 101, 102, 103, 104, 105
EXTENDED, EXTENDED_REPLY = 200, 201
OK, EOF = 0, 1  # codes of a status

HEAD = struct.Struct(">IBI")  # length of all that follows it, kind, id
# All servers take requests of this size, and answer them in full (section 3).
BLOCK = 32 << 10
MAX_PACKET = (256 << 10) + 1024  # OpenSSH's own bound for both sides
MAX_HANDLE, MAX_NAME, MAX_PATH = 256, 1024, 4096  # bytes

_U32, _U64, _IDS, _TIMES = (struct.Struct(text) for text in (">I", ">Q", ">II", ">II"))
_LIMITS = struct.Struct(">QQQQ")
_OF_STATUS = {2: errno.ENOENT, 3: errno.EACCES, 5: errno.ENAMETOOLONG, 8: errno.EOPNOTSUPP}


class Attrs(NamedTuple):
    """What SFTP tells of an entry; times are whole seconds."""

    mode: int
    uid: int
    gid: int
    size: int
    mtime: int

    @property
    def owner(self) -> tuple[int, int, int]:
        """What a file keeps while it is written to."""
        return self[:3]

    @property
    def content(self) -> tuple[int, int]:
        return self[3:]


def number_of(status: int) -> int:
    """The errno of a status that is neither OK nor EOF."""
    return _OF_STATUS.get(status, errno.EIO)


def text(value: bytes) -> bytes:
    return _U32.pack(len(value)) + value


def opening(path: bytes) -> bytes:
    """The body of OPEN, for reading."""
    return text(path) + _IDS.pack(1, 0)


def reading(handle: bytes, offset: int, length: int) -> bytes:
    """The body of READ."""
    return text(handle) + _U64.pack(offset) + _U32.pack(length)


def need(good: bool, what: str = "a reply whose parts do not fit") -> None:
    if not good:
        raise BadAnswer(what)


def length(block: bytes, at: int) -> int:
    """The length of the packet there, without these four bytes."""
    found: int = _U32.unpack_from(block, at)[0]
    need(5 <= found <= MAX_PACKET, f"a packet of {found} bytes")
    return found


def _number(block: bytes, at: int) -> tuple[int, int]:
    need(at + 4 <= len(block))
    return int(_U32.unpack_from(block, at)[0]), at + 4


def _text(block: bytes, at: int, most: int) -> tuple[bytes, int]:
    size, at = _number(block, at)
    need(size <= most and at + size <= len(block))
    return block[at : at + size], at + size


def status(body: bytes) -> int:
    """The code; the message behind it is not read."""
    return _number(body, 0)[0]


def handle(body: bytes) -> bytes:
    found, end = _text(body, 0, MAX_HANDLE)
    need(bool(found) and end == len(body))
    return found


def data(body: bytes, asked: int) -> bytes:
    """The content that answers a READ of `asked` bytes."""
    found, end = _text(body, 0, MAX_PACKET)
    need(end == len(body) and 0 < len(found) <= asked, "content that was not asked for")
    return found


def attrs(body: bytes) -> Attrs:
    found, end = _attrs(body, 0)
    need(end == len(body))
    return found


def _attrs(block: bytes, at: int) -> tuple[Attrs, int]:
    """A field that is not there is -1. Any extension is passed over."""
    flags, at = _number(block, at)
    need(not flags & ~0x8000000F)
    size = uid = gid = mode = mtime = -1
    if flags & 1:
        need(at + 8 <= len(block))
        size, at = int(_U64.unpack_from(block, at)[0]), at + 8
        need(size < 1 << 63)
    if flags & 2:
        need(at + 8 <= len(block))
        (uid, gid), at = _IDS.unpack_from(block, at), at + 8
    if flags & 4:
        mode, at = _number(block, at)
        need(mode < 1 << 16)
    if flags & 8:
        need(at + 8 <= len(block))
        mtime, at = _TIMES.unpack_from(block, at)[1], at + 8
    if flags & 0x80000000:
        count, at = _number(block, at)
        need(count <= 1000)
        for _ in range(2 * count):
            _, at = _text(block, at, MAX_PACKET)
    return Attrs(mode, uid, gid, size, mtime), at


def names(body: bytes) -> list[tuple[bytes, Attrs]]:
    """The entries of a folder, without `.` and `..`; there is at least one before that."""
    count, at = _number(body, 0)
    need(count > 0, "a listing that does not go on")
    found = []
    for _ in range(count):
        name, at = _text(body, at, MAX_NAME)
        _, at = _text(body, at, MAX_PACKET)  # a line of ls
        known, at = _attrs(body, at)
        need(bool(name) and b"/" not in name and b"\0" not in name, f"the name {name[:99]!r}")
        if name not in (b".", b".."):
            found.append((name, known))
    need(at == len(body))
    return found


def path(body: bytes) -> bytes:
    """The one path that answers READLINK or REALPATH."""
    count, at = _number(body, 0)
    need(count == 1)
    found, at = _text(body, at, MAX_PATH)
    _, at = _text(body, at, MAX_PACKET)
    _, at = _attrs(body, at)
    need(at == len(body) and bool(found) and b"\0" not in found)
    return found


def version(body: bytes) -> dict[bytes, bytes]:
    """The extensions of a server; `body` begins with its version, which must be 3."""
    found, at = _number(body, 0)
    need(found == 3, f"SFTP of version {found}")
    pairs = {}
    while at < len(body):
        name, at = _text(body, at, MAX_PACKET)
        pairs[name], at = _text(body, at, MAX_PACKET)
        need(len(pairs) < 1000)
    return pairs


def most_handles(body: bytes) -> int:
    """How many files may be open at once, by limits@openssh.com; 0 if that is not known."""
    need(len(body) >= _LIMITS.size)
    return int(_LIMITS.unpack_from(body)[3])
