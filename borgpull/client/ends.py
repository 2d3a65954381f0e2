"""The pipes between the engine of `stream` and a reader, until the reader has answered."""

from __future__ import annotations

import contextlib
import os
import select
import time
from typing import IO, NamedTuple

from borgpull.borg.inside import wire
from borgpull.errors import ConnectionLost, HostileClient

MARK = b"\nborgpull-stream 1 \n"  # the answer is behind it
MAX_GREETING = 64 << 10
ANSWER_SECONDS = 60.0


class Ends(NamedTuple):
    """Of the pipes between the engine and a reader: the engine's, and the reader's."""

    answers: IO[bytes]
    requests: IO[bytes]
    theirs: tuple[IO[bytes], IO[bytes]]  # where requests come from, and answers go

    def ask(self, question: bytes) -> tuple[bytes, bytes | None]:
        """As `answer_of`. Raises HostileClient, ConnectionLost."""
        send(self.requests, question)
        return answer_of(self.answers.fileno())


def send(requests: IO[bytes], data: bytes) -> None:
    """Write all of it, if the other end of the pipe still stands. Raises ConnectionLost.

    The engine has this pipe, too, and makes it one that does not block. Then a plain write may take
    a part only. And a client that reads nothing must not hold us.
    """
    rest, deadline = memoryview(data), time.monotonic() + ANSWER_SECONDS
    os.set_blocking(requests.fileno(), False)
    with contextlib.suppress(BrokenPipeError):  # ssh has ended, and its code says why
        while rest:
            left = max(0, deadline - time.monotonic())
            if not select.select([], [requests], [], left)[1]:
                raise ConnectionLost(f"the client takes no orders within {ANSWER_SECONDS:g} s")
            with contextlib.suppress(BlockingIOError):
                rest = rest[os.write(requests.fileno(), rest) :]


def answer_of(fd: int) -> tuple[bytes, bytes | None]:
    """What comes before the answer, and the answer. Raises HostileClient, ConnectionLost.

    Not a byte behind it is read: that is for the engine.
    """
    text, deadline = b"", time.monotonic() + ANSWER_SECONDS
    while True:
        greeting, mark, rest = text.partition(MARK)
        if mark and len(rest) >= wire.HEAD.size:
            try:
                kind, length = wire.head(rest)
            except wire.BadFrame as error:
                raise HostileClient(f"the client's first word: {error}") from None
            if kind != wire.HELLO:
                raise HostileClient("the client's first word is no answer")
            missing = wire.HEAD.size + length - len(rest)
            if not missing:
                return greeting, rest[wire.HEAD.size :]
        elif mark:
            missing = wire.HEAD.size - len(rest)
        elif len(text) > MAX_GREETING:
            raise HostileClient("the client's login shell says too much before our helper starts")
        else:
            missing = _of_mark(text) + wire.HEAD.size
        if not select.select([fd], [], [], max(0, deadline - time.monotonic()))[0]:
            raise ConnectionLost(f"the client does not answer within {ANSWER_SECONDS:g} s")
        piece = os.read(fd, missing)
        if not piece:
            return text, None
        text += piece


def _of_mark(text: bytes) -> int:
    """How many bytes of MARK a text lacks, at whose end it may have begun."""
    size = len(MARK)
    return next(size - have for have in range(size, -1, -1) if text.endswith(MARK[:have]))
