"""The helper of `borgpull stream`: packs what it sends where the link is slower than zlib."""

import struct
import time
import zlib

from borgpull.client.scripts.stream_look import HEAD, out

PACKED, LENGTH = 15, struct.Struct("<I")
SAMPLE, LARGEST = 16 << 10, 8 << 20
# What a judgement is made of: bytes, or seconds of waiting for the link. What lies in the buffers
# of ssh and the kernel, some MiB, must not count for much of the packed ones.
WINDOW, LONG = (1 << 20, 0.5), (32 << 20, 2.0)
MAX_REST = 256  # judgements that are left out at most
MAX_SKIPPED = 15  # those without a sample: the last one may have been slow for once


def sample(block: bytes) -> "tuple[bool, float]":
    """Does the middle of a block shrink, and what seconds does a byte of it take?"""
    part = block[max(0, len(block) - SAMPLE) // 2 :][:SAMPLE]
    began = time.monotonic()
    shrinks = len(zlib.compress(part, 1)) < len(part) * 0.9
    return shrinks, (time.monotonic() - began) / len(part)


def shrunk(block: bytes) -> bytes:
    """A frame that holds whole frames; or these themselves, if they do not shrink."""
    if len(block) > LARGEST or not sample(block)[0]:
        return block
    text = zlib.compress(block, 1)
    size = LENGTH.size + len(text)
    if HEAD.size + size >= len(block):
        return block
    return HEAD.pack(PACKED, size) + LENGTH.pack(len(block)) + text


class Packing:
    """What is faster is found by doing: plain first, and packed if zlib is far faster."""

    def __init__(self, always: bool) -> None:
        self.always = self.on = always
        self.plain = 0.0  # seconds for a byte that is not packed
        self.least = 0.0  # seconds that zlib has taken for a byte, where it was fastest
        self.rest = self.patience = self.skipped = 0
        self.begin()

    def begin(self) -> None:
        self.size = 0
        self.packing = self.writing = 0.0  # seconds

    def send(self, block: bytes) -> None:
        """Write it; what is not packed says nothing of the packed."""
        began = time.monotonic()
        text = shrunk(block) if self.on else block
        made = time.monotonic()
        out.write(text)
        if self.always or (self.on and text is block):
            return
        self.size += len(block)
        self.packing += made - began
        self.writing += time.monotonic() - made
        most, longest = LONG if self.on else WINDOW
        if self.size >= most or self.writing >= longest:
            self.judge(block)
            self.begin()

    def judge(self, block: bytes) -> None:
        cost = (self.packing + self.writing) / self.size
        if not self.on:
            self.plain = cost
            if self.rest:
                self.rest -= 1
            elif cost > 4 * self.least or self.skipped >= MAX_SKIPPED:
                shrinks, seconds = sample(block)
                self.on = shrinks and cost > 4 * seconds
                self.least, self.skipped = min(self.least or seconds, seconds), 0
            else:
                self.skipped += 1
        elif cost > 0.8 * self.plain:  # there is no gain: something else is slow
            self.on = False
            self.rest = self.patience = min(4 * self.patience + 8, MAX_REST)
        elif self.writing < self.packing / 4:  # now zlib is slower, and the link perhaps fast
            self.on, self.patience = False, 0


def use(how: "object") -> None:
    """`auto`, `on` or `off`."""
    if how in ("auto", "on"):
        out.send = Packing(how == "on").send
