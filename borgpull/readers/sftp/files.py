"""The content of a client's files by SFTP: many files, and many blocks of a large one, at once.

SFTP has no O_NOFOLLOW. So a file is looked at before it is opened and after it was read, by its
name and by its handle, and the server tells the real path of its folder. Nothing is ever padded.
"""

from __future__ import annotations

import errno
import functools
import stat
import struct
from collections import deque

from borgpull.client.scripts.stream_look import BEGIN, DATA, SMALL, STOP, WHOLE, Output
from borgpull.client.scripts.stream_read import END, FILE, OPENING, READING
from borgpull.readers.sftp import packets
from borgpull.readers.sftp.folders import Entry
from borgpull.readers.sftp.link import Link, Then
from borgpull.readers.sftp.packets import ATTRS, BLOCK, EOF, STATUS, Attrs
from borgpull.readers.sftp.tree import Tree

MAX_OPEN = 200  # files at once, unless the server says that it allows fewer
MAX_BYTES = 16 << 20  # that are asked for, or wait for their turn


class Block:
    """A part of a file that is on its way, or waits for its turn."""

    __slots__ = ("asked", "content", "ended", "errno", "ready")

    def __init__(self, asked: int) -> None:
        self.asked = asked
        self.content = b""
        self.ready = self.ended = False
        self.errno = 0


class Reading:
    """A file that is being read."""

    def __init__(self, files: Files, number: int, entry: Entry) -> None:
        self.files, self.number, self.entry = files, number, entry
        self.path = entry.path
        self.blocks: deque[Block] = deque()
        self.next = 0  # where the next block begins
        self.handle = b""
        self.failed: tuple[int, int] | None = None  # what has failed, and the errno
        self.before = self.at_end = Attrs(0, 0, 0, 0, 0)
        self.opened: Attrs | None = None
        self.after: Attrs | None = None  # None: its name is gone
        self.left = 0  # answers that are still to come
        self.reading = 0  # of these, blocks
        self.all_asked = False  # are all blocks asked for?
        self.closing = self.begun = self.dropped = False
        self.over = False  # a block was short: nothing is behind it

    def start(self) -> None:
        self._ask(packets.LSTAT, packets.text(self.path), ATTRS, self._take_before)

    def _ask(self, kind: int, body: bytes, wanted: int, then: Then) -> None:
        self.left += 1

        def answered(status: int, body: bytes) -> None:
            self.left -= 1
            then(status, body)

        self.files.link.ask(kind, body, wanted, answered)

    def _fail(self, stage: int, number: int) -> None:
        self.failed = self.failed or (stage, number)

    def _take_before(self, status: int, body: bytes) -> None:
        if status:
            self._fail(OPENING, packets.number_of(status))
        else:
            self.before = packets.attrs(body)
            if not stat.S_ISREG(max(self.before.mode, 0)) or -1 in self.before:
                self._fail(OPENING, errno.ESTALE)  # it has become something else
        if self.failed:
            self.files.open -= 1
        else:
            opening = packets.opening(self.path)
            self._ask(packets.OPEN, opening, packets.HANDLE, self._take_handle)

    def _take_handle(self, status: int, body: bytes) -> None:
        if status:
            self._fail(OPENING, packets.number_of(status))
            self.files.open -= 1
            return
        self.handle = packets.handle(body)
        self._ask(packets.FSTAT, packets.text(self.handle), ATTRS, self._take_opened)

    def _take_opened(self, status: int, body: bytes) -> None:
        if status:
            self._fail(READING, packets.number_of(status))
            return
        self.opened = packets.attrs(body)
        if self.opened.owner != self.before.owner:
            self._fail(OPENING, errno.ESTALE)

    # --- blocks -----------------------------------------------------------------------------------

    @property
    def wants(self) -> bool:
        """Is there another block to ask for?"""
        return bool(self.handle) and not self.all_asked

    def ask_more(self) -> None:
        """Ask for the next block, if there is one."""
        if self.failed or self.over:
            self._end_of_blocks()
            return
        size = self.before.size
        # One byte beyond the end: only a short answer tells that there is nothing more.
        block = Block(min(BLOCK, size - self.next + 1))
        self.blocks.append(block)
        self.files.bytes += block.asked
        body = packets.reading(self.handle, self.next, block.asked)
        taken = functools.partial(self._take_block, block)
        self.reading += 1
        self._ask(packets.READ, body, packets.DATA, taken)
        self.next += block.asked
        if self.next > size:
            self._end_of_blocks()

    def _end_of_blocks(self) -> None:
        """A server may answer in another order than we ask. So what the file is at its end is asked
        for once all blocks have come: a change before that must be seen."""
        self.all_asked = True
        if not self.reading and not self.closing:
            self.end()

    def _take_block(self, block: Block, status: int, body: bytes) -> None:
        block.ready = True
        self.reading -= 1
        if status == EOF:
            block.ended = True
        elif status:
            block.errno = packets.number_of(status)
        else:
            block.content = packets.data(body, block.asked)
            block.ended = len(block.content) < block.asked
        if self.dropped:
            self.files.bytes -= block.asked
        if self.all_asked:
            self._end_of_blocks()

    def end(self) -> None:
        """Ask for all that must be known after the last block, and close the file."""
        self.closing = True
        handle, path = packets.text(self.handle), packets.text(self.path)
        folder = packets.text(self.entry.above.path)
        self._ask(packets.FSTAT, handle, ATTRS, self._take_end)
        self._ask(packets.LSTAT, path, ATTRS, self._take_after)
        self._ask(packets.REALPATH, folder, packets.NAME, self._take_folder)
        self._ask(packets.CLOSE, handle, STATUS, self._take_close)

    def _take_end(self, status: int, body: bytes) -> None:
        if status:
            self._fail(READING, packets.number_of(status))
        else:
            self.at_end = packets.attrs(body)

    def _take_after(self, status: int, body: bytes) -> None:
        if not status:
            self.after = packets.attrs(body)
        elif packets.number_of(status) != errno.ENOENT:  # a deleted file was read all the same
            self._fail(READING, packets.number_of(status))

    def _take_folder(self, status: int, body: bytes) -> None:
        if status:
            self._fail(READING, packets.number_of(status))
        elif packets.path(body) != self.entry.above.real:
            self._fail(READING, errno.ESTALE)  # a symlink on the way

    def _take_close(self, _status: int, _body: bytes) -> None:
        self.files.open -= 1

    # --- what is told -----------------------------------------------------------------------------

    def tell(self) -> bool:
        """Tell what is ready. Is all told?"""
        if self.failed and not self.begun:
            self._drop()
            self.files.out.add(WHOLE, FILE.pack(self.number, *self.failed))
            return True
        if self.before.size <= SMALL and not self.begun:
            return self._tell_small()
        return self._tell_large()

    def _tell_small(self) -> bool:
        if not self.closing or self.left:
            return False
        content = b"".join(self._taken())[:SMALL]
        self._judge()
        if self.failed:
            self.files.out.add(WHOLE, FILE.pack(self.number, *self.failed))
        else:
            self.files.out.add(WHOLE, self._head(), END.pack(*self._ended()), content)
        return True

    def _tell_large(self) -> bool:
        if self.opened is None:
            return False
        if not self.begun:
            self.begun = True
            self.files.out.add(BEGIN, self._head())
        for content in self._taken():
            self.files.out.add(DATA, content)
        if self.failed:
            self._drop()
        elif not self.closing or self.left:
            return False
        self._judge()
        self.files.out.add(STOP, END.pack(*self._ended()))
        return True

    def _head(self) -> bytes:
        about = self.files.tree.packed(self.before)
        return FILE.pack(self.number, 0, 0) + about + struct.pack("<I", 0)

    def _taken(self) -> list[bytes]:
        """The content that is there, in its order, up to what is missing."""
        found = []
        while self.blocks and self.blocks[0].ready:
            block = self.blocks.popleft()
            self.files.bytes -= block.asked
            if block.errno:
                self._fail(READING, block.errno)
            elif block.content and not self.over:
                found.append(block.content)
            self.over = self.over or block.ended
        return found

    def _judge(self) -> None:
        """Does the name still stand for what was read?"""
        if self.after is not None and self.after.owner != self.at_end.owner:
            self._fail(READING, errno.ESTALE)

    def _ended(self) -> tuple[int, int, int, int]:
        """How it has ended, for the engine. A time that is not the first one says "changed"."""
        if self.failed:
            return READING, self.failed[1], 0, 0
        assert self.opened is not None
        quiet = self.opened.content == self.before.content
        return 0, 0, self.at_end.mtime * 10**9 if quiet else -1, max(self.at_end.size, 0)

    def _drop(self) -> None:
        """Nothing more is wanted of it; answers may still come."""
        self.dropped = True
        self.files.bytes -= sum(block.asked for block in self.blocks if block.ready)
        if self.handle and not self.closing:
            self.all_asked = self.closing = True
            self._ask(packets.CLOSE, packets.text(self.handle), STATUS, self._take_close)


class Files:
    """Reads the files that the engine asks for, and answers in the order of its questions."""

    def __init__(self, link: Link, out: Output, tree: Tree) -> None:
        self.link, self.out, self.tree = link, out, tree
        self._most = min(MAX_OPEN, link.handles // 2 or MAX_OPEN)
        self._wanted: deque[int] = deque()
        self._active: deque[Reading] = deque()  # in the order of the questions
        self.open = self.bytes = self.answered = 0

    def want(self, number: int) -> None:
        self._wanted.append(number)

    @property
    def within(self) -> bool:
        """Are we within a large file? Then nothing else may be told."""
        return bool(self._active) and self._active[0].begun

    def step(self) -> None:
        """Tell what has come, and ask for as much as may be on its way.

        What is told makes room. Afterwards something is on its way, or nothing is wanted.
        """
        while self._active and self._active[0].tell():
            self._active.popleft()
            self.answered += 1
        while self._wanted and self.open < self._most:
            number = self._wanted.popleft()
            reading = Reading(self, number, self.tree.files.pop(number))
            self._active.append(reading)
            self.open += 1
            reading.start()
        for reading in self._active:
            # Whose turn it is goes on in any case. Of a small one, nothing is told before its end.
            first = reading is self._active[0]
            while reading.wants and (
                self.bytes < MAX_BYTES
                or (first and (not reading.blocks or reading.before.size <= SMALL))
            ):
                reading.ask_more()
