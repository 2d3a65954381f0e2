"""The connection to a client's shell: requests as lines of shell, answers in their order."""

from __future__ import annotations

import os
import secrets
import select
from collections import deque
from collections.abc import Callable, Iterator

from borgpull.client import shell
from borgpull.readers.child import BadAnswer, Ended

PIECE = 1 << 18  # bytes of one read
IDLE_SECONDS = 300.0  # a shell that owes an answer, and says nothing for so long, is given up
MAX_LINE, MAX_TEXT = 64 << 10, 16 << 20
GREETING = b"\nborgpull-shell "


class Answer:
    """An answer under way. `word` is `ok`, or why there is nothing more."""

    def __init__(self, link: Link, word: str, rest: str) -> None:
        self._link, self.word, self.rest = link, word, rest
        self.tail = ""  # what is behind the content, once all of it was read

    def content(self) -> Iterator[bytes]:
        """The pieces of it. Raises BadAnswer, Ended."""
        if self.word != "ok":
            return
        yield from self._link.until_mark()
        self.tail = self._link.line()

    def text(self) -> bytes:
        """All of a small one. Raises BadAnswer, Ended."""
        found = b""
        for piece in self.content():
            found += piece
            if len(found) > MAX_TEXT:
                raise BadAnswer("a text without end")
        return found


Then = Callable[[Answer], None]


class Link:
    """Requests and answers. Writing never blocks: the shell may wait for us to read."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self.read_fd, self._write_fd = read_fd, write_fd
        os.set_blocking(write_fd, False)
        # What is in a file cannot know it, so it ends a file's content.
        self._mark = secrets.token_hex(16)
        self._unsent = bytearray(self._mark.encode() + b"\n")
        self._rest = b""
        self._count = 0
        self._waiting: deque[tuple[int, Then]] = deque()

    def greeted(self) -> bool:
        """Has the client what it takes? Raises BadAnswer, Ended."""
        while b"\n" not in self._rest.partition(GREETING)[2]:
            if len(self._rest) > MAX_LINE:
                raise BadAnswer("the login shell says too much")
            self._fill()
        word, _, self._rest = self._rest.partition(GREETING)[2].partition(b"\n")
        return word == b"yes"

    def ask(self, function: str, then: Then, *words: bytes) -> None:
        """Note a request; it is sent when there is time."""
        self._count += 1
        self._waiting.append((self._count, then))
        text = shell.quoted([str(self._count), *map(os.fsdecode, words)])
        self._unsent += os.fsencode(f"{function} {text}\n")

    @property
    def busy(self) -> bool:
        return bool(self._waiting)

    def drain(self) -> None:
        """Take all answers. Raises BadAnswer, Ended."""
        while self._waiting:
            self.take()

    def take(self) -> None:
        """Take the next answer, as a whole. Raises BadAnswer, Ended."""
        number, then = self._waiting.popleft()
        found, _, said = self.line().partition(" ")
        word, _, rest = said.partition(" ")
        if found != str(number):
            raise BadAnswer(f"an answer to no question: {found[:40]!r}")
        self._end = f"\n{self._mark} {number} ".encode()
        then(Answer(self, word, rest))

    def turn(self, others: list[int]) -> list[int]:
        """Send, and wait until something may be read: of ours, or of `others`."""
        mine = [self.read_fd] if self._waiting else []
        if mine and self._rest:
            self.push()
            return [self.read_fd, *select.select(others, [], [], 0)[0]]
        writing = [self._write_fd] if self._unsent else []
        limit = IDLE_SECONDS if mine else None
        readable, writable, _ = select.select([*mine, *others], writing, [], limit)
        if writable:
            self.push()
        if not readable and not writable:
            raise Ended(f"the client's shell says nothing for {IDLE_SECONDS:g} s")
        return readable

    def push(self) -> None:
        while self._unsent:
            try:
                del self._unsent[: os.write(self._write_fd, self._unsent[:PIECE])]
            except BlockingIOError:
                return
            except BrokenPipeError:
                self._unsent.clear()  # reading will tell

    def line(self) -> str:
        """A line without its end. Raises BadAnswer, Ended."""
        while b"\n" not in self._rest:
            if len(self._rest) > MAX_LINE:
                raise BadAnswer("a line without end")
            self._fill()
        line, _, self._rest = self._rest.partition(b"\n")
        return os.fsdecode(line)

    def until_mark(self) -> Iterator[bytes]:
        """What is before the mark, in pieces."""
        while True:
            content, mark, rest = self._rest.partition(self._end)
            if mark:
                self._rest = rest
                if content:
                    yield content
                return
            whole = max(0, len(self._rest) - len(self._end))
            content, self._rest = self._rest[:whole], self._rest[whole:]
            if content:
                yield content
            self._fill()

    def _fill(self) -> None:
        while True:
            writing = [self._write_fd] if self._unsent else []
            readable, writable, _ = select.select([self.read_fd], writing, [], IDLE_SECONDS)
            if writable:
                self.push()
            if readable:
                break
            if not writable:
                raise Ended(f"the client's shell says nothing for {IDLE_SECONDS:g} s")
        piece = os.read(self.read_fd, PIECE)
        if not piece:
            raise Ended("the client's shell has ended")
        self._rest += piece
