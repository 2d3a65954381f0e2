"""What the helper of `stream` sends, taken apart: nothing in it is believed.

The stream is frames: a kind (1 byte), a length (4 bytes), and the content; numbers are
little-endian. What is beyond the bound of a field raises BadFrame, and nothing else. The helper
(`client/scripts/stream_look.py`) has a writer of its own, because it is sent as source.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

# Kinds of frames.
HELLO, LIST, NAME, WHOLE, BEGIN, DATA, ZEROS, STOP, TROUBLE, LISTED, BYE, AGAIN = range(1, 13)
SAME, SUM, PACKED, LANES, LANE = 13, 14, 15, 16, 17
OF_LANES = {LANES: 64, LANE: 1}  # and their bounds (`lanes.py`)
# Requests to the helper: read a file; entries below a number are done; leave a folder; the end;
# read a file, and send what differs from pieces: their number follows, then size and sum of each;
# read a file, and send its sum; list by `brief.py` what is older than a Unix time, but not these
# inodes; ask no file of these devices for its attributes. The number of those follows, and each.
READ, DONE, PRUNE, FINISH, COMPARE, HASH, BRIEF, INODES, DEVICES = range(9)
REQUEST, PIECE, INODE = struct.Struct("<BI"), struct.Struct("<I32s"), struct.Struct("<Q")

HEAD = struct.Struct("<BI")
_ENTRY, _STAT = struct.Struct("<HHI"), struct.Struct("<IIIIQQQqqQ")
ENTRY_STAT = struct.Struct(f"{_ENTRY.format}{_STAT.format[1:]}")
_entry, _fields = _ENTRY.unpack_from, _STAT.unpack_from
_FILE, _END, _NAME = struct.Struct("<IBi"), struct.Struct("<BiqQ"), struct.Struct("<BI")
# A file without attributes, up to its content.
_PLAIN = struct.Struct("<" + "".join(part.format[1:] for part in (_FILE, _STAT)) + "I" + "BiqQ")
_TROUBLE, _LISTED, _BYE, _NUMBER = (struct.Struct(text) for text in ("<BiH", "<Q", "<QQ", "<I"))
_SAME, _SUM = struct.Struct("<II"), 32
# Bounds.
SMALL = 512 << 10  # of a file in one frame: borg makes one chunk of it, whatever its chunker
MAX_EXTRA = 4 << 20  # all extended attributes of one entry
MAX_BLOCK = 1 << 20
MAX_ROWS = 8 << 20  # of a listing's frame, unpacked
MAX_PACKED = 8 << 20  # of frames that come as one, before and after they are unpacked
MAX_NAME, MAX_ROOT, MAX_PATH = 1024, 4096, 20 << 10
MAX_PIECES, MAX_PIECE = 1 << 18, 32 << 20  # of one file, and bytes of each
MAX_DEPTH, MAX_OWNER = 1000, 256  # the second: of the name of a user or group
MAX_SIZE = (1 << 63) - 1
LIMITS = {
    HELLO: 32 << 20,
    LIST: 4 << 20,
    NAME: _NAME.size + MAX_OWNER,
    WHOLE: _FILE.size + _STAT.size + 4 + MAX_EXTRA + _END.size + SMALL,
    BEGIN: _FILE.size + _STAT.size + 4 + MAX_EXTRA,
    DATA: MAX_BLOCK,
    ZEROS: _NUMBER.size,
    STOP: _END.size,
    TROUBLE: _TROUBLE.size + MAX_ROOT,
    LISTED: _LISTED.size,
    BYE: _BYE.size,
    AGAIN: _NUMBER.size + _ENTRY.size + _STAT.size + MAX_ROOT + MAX_EXTRA,
    SAME: _SAME.size,
    SUM: _SUM,
    PACKED: MAX_PACKED,
    **OF_LANES,
}


class BadFrame(Exception):
    """The other side sends what no helper of ours sends."""


class Stat(NamedTuple):
    """What stat(2) tells, by the names that borg's functions read."""

    st_mode: int
    st_uid: int
    st_gid: int
    st_nlink: int
    st_dev: int
    st_ino: int
    st_size: int
    st_mtime_ns: int
    st_ctime_ns: int
    st_rdev: int


class Row(NamedTuple):
    """An entry of the listing."""

    depth: int  # 0 for a named path
    name: bytes  # a path without the first slash, if the depth is 0
    st: Stat
    extra: bytes


class Answer(NamedTuple):
    """The beginning of a file, or why there is none."""

    number: int  # of its entry
    stage: int  # what has failed: 0 nothing, 1 opening, 2 reading
    errno: int
    st: Stat | None = None  # of the open file
    extra: bytes = b""


class End(NamedTuple):
    """How the reading of a file ended, and what fstat(2) told then."""

    stage: int
    errno: int
    ctime_ns: int
    size: int


class Trouble(NamedTuple):
    """An entry that could not be listed."""

    op: str
    errno: int
    depth: int
    name: bytes


# What has failed; or why a folder is left out, by the user's options.
TAG, MOUNT = "tag", "mount"
_OPS = ("open", "scandir", TAG, MOUNT)
_tuple: Any = tuple.__new__
_odd = re.compile(rb"[\0/]|\A\.{0,2}\Z").search  # a name to look at by `check_name`


def head(block: bytes | memoryview, at: int = 0) -> tuple[int, int]:
    """Kind and length of a frame."""
    kind, length = HEAD.unpack_from(block, at)
    if length > LIMITS.get(kind, -1):
        raise BadFrame(f"a frame of kind {kind} with {length} bytes")
    return kind, length


def rows(content: bytes) -> Iterator[Row]:
    """The entries of a LIST frame."""
    return rows_from(unpacked(content, MAX_ROWS))


def unpacked(content: bytes | memoryview, most: int) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(content, most)
        # With room for no more, it may not have seen its own end.
        more = b"" if unpacker.eof else unpacker.decompress(unpacker.unconsumed_tail, 1)
    except zlib.error as error:
        raise BadFrame(f"what is not packed: {error}") from None
    if more or not unpacker.eof or unpacker.unused_data:
        raise BadFrame("something packed that is cut, or too long")
    return text


def rows_from(text: bytes, at: int = 0) -> Iterator[Row]:
    """Entries, one after the other. All is here in one place: it is done for each file."""
    whole = len(text)
    while at < whole:
        body = at + ENTRY_STAT.size
        if body > whole:
            raise BadFrame("an entry that is cut")
        depth, length, more = _entry(text, at)
        tail = body + length
        end = tail + more
        if end > whole or more > MAX_EXTRA:
            raise BadFrame("an entry that is cut, or too long")
        name = text[body:tail]
        if not 0 < depth <= MAX_DEPTH or length > MAX_NAME or _odd(name):
            check_name(depth, name)
        # Row(…) and Stat(…) would take three times as long.
        st = _checked(_tuple(Stat, _fields(text, at + _ENTRY.size)))
        yield _tuple(Row, (depth, name, st, text[tail:end]))
        at = end


def check_name(depth: int, name: bytes) -> None:
    if depth > MAX_DEPTH:
        raise BadFrame(f"a folder at depth {depth}")
    if not name or b"\0" in name or len(name) > (MAX_NAME if depth else MAX_ROOT):
        raise BadFrame(f"the name {name[:99]!r}")
    if depth and (b"/" in name or name in (b".", b"..")):
        raise BadFrame(f"the name {name[:99]!r}")


def _checked(st: Stat) -> Stat:
    if st.st_size > MAX_SIZE or st.st_mode >> 16:
        raise BadFrame(f"mode {st.st_mode:o}, size {st.st_size}")
    return st


def again(content: bytes) -> tuple[int, Row]:
    """An AGAIN frame: the number of an entry, and what it has become."""
    require(len(content) >= _NUMBER.size)
    found = [*rows_from(content, _NUMBER.size)]
    require(len(found) == 1)
    return _NUMBER.unpack_from(content)[0], found[0]


def begin(content: bytes) -> tuple[Answer, int]:
    """The beginning of a WHOLE or BEGIN frame, and where it ends."""
    require(len(content) >= _FILE.size)
    number, stage, errno = _FILE.unpack_from(content)
    if stage:
        require(stage in (1, 2) and len(content) == _FILE.size)
        return Answer(number, stage, errno), len(content)
    at = _FILE.size + _STAT.size + _NUMBER.size
    require(len(content) >= at)
    more = _NUMBER.unpack_from(content, at - _NUMBER.size)[0]
    require(more <= MAX_EXTRA and len(content) >= at + more)
    st = _checked(_tuple(Stat, _fields(content, _FILE.size)))
    return Answer(number, 0, 0, st, content[at : at + more]), at + more


def whole(content: bytes) -> tuple[Answer, End, bytes]:
    """A small file: its beginning, its end, and its content."""
    if len(content) >= _PLAIN.size:
        number, stage, _, *fields, more, bad, why, ctime, size = _PLAIN.unpack_from(content)
        if not stage and not more:  # as most files are: all at once
            answer = Answer(number, 0, 0, _checked(_tuple(Stat, fields)))
            require(len(content) <= _PLAIN.size + SMALL)
            return answer, _end(End(bad, why, ctime, size)), content[_PLAIN.size :]
    answer, at = begin(content)
    if answer.stage:
        return answer, End(answer.stage, answer.errno, 0, 0), b""
    require(len(content) >= at + _END.size)
    data = content[at + _END.size :]
    require(len(data) <= SMALL)
    return answer, stop(content[at : at + _END.size]), data


def stop(content: bytes) -> End:
    require(len(content) == _END.size)
    return _end(End._make(_END.unpack(content)))


def _end(end: End) -> End:
    require(end.stage in (0, 2) and end.size <= MAX_SIZE)
    return end


def zeros(content: bytes) -> int:
    """How many."""
    count = number(content)
    require(0 < count <= MAX_BLOCK)
    return count


def same(content: bytes) -> tuple[int, int]:
    """The first of the pieces that are in the file as they were, and how many."""
    require(len(content) == _SAME.size)
    first, count = _SAME.unpack(content)
    require(0 < count <= MAX_PIECES and first < MAX_PIECES)
    return first, count


def sum_of(content: bytes) -> bytes:
    """The sha256 of a whole file."""
    require(len(content) == _SUM)
    return content


def number(content: bytes) -> int:
    require(len(content) == _NUMBER.size)
    return int(_NUMBER.unpack(content)[0])


def name(content: bytes) -> tuple[int, int, str | None]:
    """0 for a user or 1 for a group, its number, and its name; None if it has none."""
    require(len(content) >= _NAME.size)
    kind, number = _NAME.unpack_from(content)
    text = content[_NAME.size :]
    require(kind in (0, 1) and b"\0" not in text and b"\n" not in text and b":" not in text)
    return kind, number, text.decode(errors="surrogateescape") or None


def trouble(content: bytes) -> Trouble:
    require(len(content) >= _TROUBLE.size)
    op, errno, depth = _TROUBLE.unpack_from(content)
    name = content[_TROUBLE.size :]
    check_name(depth, name)
    require(op < len(_OPS))
    return Trouble(_OPS[op], errno, depth, name)


def listed(content: bytes) -> int:
    """How many entries there were."""
    require(len(content) == _LISTED.size)
    return int(_LISTED.unpack(content)[0])


def bye(content: bytes) -> tuple[int, int]:
    """How many entries and answers there were."""
    require(len(content) == _BYE.size)
    found: tuple[int, int] = _BYE.unpack(content)
    return found


def require(good: bool) -> None:
    if not good:
        raise BadFrame("a frame whose parts do not fit")
