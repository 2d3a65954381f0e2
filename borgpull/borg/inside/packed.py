"""Frames of `stream` that come as one, packed: their length is told first, and is a bound."""

from __future__ import annotations

from borgpull.borg.inside import wire
from borgpull.borg.inside.wire import BadFrame, require

_LENGTH = 4


class Packed:
    """The frames of a PACKED frame, one after the other."""

    def __init__(self, content: bytes) -> None:
        """Raises BadFrame."""
        length = int.from_bytes(content[:_LENGTH], "little")
        require(wire.HEAD.size <= length <= wire.MAX_PACKED)
        self._text, self._at = wire.unpacked(content[_LENGTH:], length), 0
        require(len(self._text) == length)

    @property
    def more(self) -> bool:
        return self._at < len(self._text)

    def frame(self) -> tuple[int, bytes] | None:
        """The next one: its kind and content; None at the end. Raises BadFrame."""
        text, begin = self._text, self._at + wire.HEAD.size
        if not self.more:
            return None
        if begin > len(text):
            raise BadFrame("a packed frame that is cut")
        kind, length = wire.head(text, self._at)
        self._at = begin + length
        if kind == wire.PACKED or self._at > len(text):
            raise BadFrame("a packed frame that is cut, or packed once more")
        return kind, text[begin : self._at]
