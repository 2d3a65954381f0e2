"""What the helper of `restore --how stream` answers, taken apart: nothing in it is believed.

Before the first answer comes a line that says so. Then there are frames: a kind (1 byte), a length
(4 bytes), and the content; numbers are little-endian. An answer must fit what was sent and asked:
so a target cannot answer without end. The helper (`client/scripts/writing.py`) has a writer of its
own, because it is sent as source.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

TROUBLE, TOLD, BYE = range(1, 4)
MARK = b"\nborgpull-write 1 \n"
# What has failed, by its number in this row.
OPS = ("open", "make", "write", "name", "chown", "chmod", "acl", "xattr", "time", "flags", "link")
MAX_GREETING = 64 << 10  # bytes before the line, of a profile
MAX_TROUBLES = 32  # of one item
MAX_DETAIL = 255
MAX_ERRNO = 4096
_HEAD, _TROUBLE, _TOLD = struct.Struct("<BI"), struct.Struct("<IBi"), struct.Struct("<IQ")


class BadReply(Exception):
    """The target answers what no helper of ours answers."""


class Trouble(NamedTuple):
    """Something that the helper could not do."""

    number: int  # of the item, from 1
    op: str
    errno: int
    detail: str  # the name of an extended attribute


class Told(NamedTuple):
    """How far the helper is."""

    number: int  # of the last item that was begun
    bytes: int  # of content, with holes


class Replies:
    """The answers so far, and what they may be."""

    def __init__(self) -> None:
        self.sent = Told(0, 0)  # all that was sent, which no answer can be beyond
        # What the helper must answer to each question how far it is, and to the end.
        self.expected = deque([Told(0, 0)])
        self.finished = False  # was the end sent?
        self.told = Told(0, 0)
        self.ended = False  # did the helper say that it is done?
        self._buffer, self._begun = b"", False
        self._last, self._troubles = 0, 0

    def feed(self, piece: bytes) -> Iterator[Trouble | Told]:
        """The answers that are complete with this piece. Raises BadReply."""
        self._buffer += piece
        if not self._begun:
            before, mark, rest = self._buffer.partition(MARK)
            if len(before) > MAX_GREETING:
                raise BadReply("a greeting without end")
            if not mark:
                return
            self._begun, self._buffer = True, rest
        while len(self._buffer) >= _HEAD.size:
            kind, length = _HEAD.unpack_from(self._buffer)
            if length > _TROUBLE.size + MAX_DETAIL:
                raise BadReply(f"an answer of {length} bytes")
            end = _HEAD.size + length
            if len(self._buffer) < end:
                return
            content, self._buffer = self._buffer[_HEAD.size : end], self._buffer[end:]
            yield self._one(kind, content)

    def _one(self, kind: int, content: bytes) -> Trouble | Told:
        if self.ended:
            raise BadReply("an answer after the last one")
        if kind == TROUBLE and len(content) >= _TROUBLE.size:
            return self._trouble(content)
        if kind in (TOLD, BYE) and len(content) == _TOLD.size:
            return self._told(Told._make(_TOLD.unpack(content)), last=kind == BYE)
        raise BadReply(f"an answer of kind {kind} with {len(content)} bytes")

    def _trouble(self, content: bytes) -> Trouble:
        number, op, errno = _TROUBLE.unpack_from(content)
        if not max(self.told.number, self._last, 1) <= number <= self.sent.number:
            raise BadReply(f"trouble with item {number} of {self.sent.number}")
        self._troubles = self._troubles + 1 if number == self._last else 1
        self._last = number
        if self._troubles > MAX_TROUBLES or op >= len(OPS) or not 0 < errno < MAX_ERRNO:
            raise BadReply(f"trouble {self._troubles} with item {number}: {op}, {errno}")
        detail = content[_TROUBLE.size :].decode(errors="replace")
        return Trouble(number, OPS[op], errno, detail if detail.isprintable() else "?")

    def _told(self, told: Told, *, last: bool) -> Told:
        """The helper takes one frame after the other, so what it must say is known."""
        if last and self.finished and not self.expected:
            self.ended, wanted = True, self.sent
        elif not last and self.expected:
            wanted = self.expected.popleft()
        else:
            raise BadReply("an answer that nobody asked for")
        if told != wanted:
            raise BadReply(f"{told}, but it must be {wanted}")
        self.told = told
        return told
