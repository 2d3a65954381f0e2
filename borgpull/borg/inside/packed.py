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
        self.text, self.at = wire.unpacked(content[_LENGTH:], length), 0
        require(len(self.text) == length)

    @property
    def more(self) -> bool:
        return self.at < len(self.text)

    def frame(self) -> tuple[int, bytes] | None:
        """The next one: its kind and content; None at the end. Raises BadFrame."""
        text, begin = self.text, self.at + wire.HEAD.size
        if not self.more:
            return None
        if begin > len(text):
            raise BadFrame("a packed frame that is cut")
        kind, length = wire.head(text, self.at)
        self.at = begin + length
        if kind == wire.PACKED or self.at > len(text):
            raise BadFrame("a packed frame that is cut, or packed once more")
        return kind, text[begin : self.at]
