"""The content of a client's files by its shell. Nothing is ever padded."""

from __future__ import annotations

import errno
import struct

from borgpull.borg.inside.wire import MAX_BLOCK, Stat
from borgpull.client.scripts.stream_look import BEGIN, DATA, SMALL, STOP, WHOLE, Output
from borgpull.client.scripts.stream_read import END, FILE, OPENING, READING
from borgpull.readers.child import BadAnswer
from borgpull.readers.shell.link import Answer, Link
from borgpull.readers.shell.records import of_stat
from borgpull.readers.shell.tree import ERRNOS, Tree


class Files:
    """Asks for files, and tells their content in the order of the engine's questions."""

    def __init__(self, link: Link, out: Output, tree: Tree) -> None:
        self._link, self._out, self._tree = link, out, tree
        self.answered = 0

    def want(self, number: int) -> None:
        place, st = self._tree.files.pop(number)
        inode = f"{st.st_dev} {st.st_ino}".encode()
        self._link.ask("r", lambda answer: self._tell(number, answer), *place, inode)

    def _tell(self, number: int, answer: Answer) -> None:
        """Raises BadAnswer, Ended."""
        self.answered += 1
        if answer.word != "ok":
            if answer.word not in ERRNOS:
                raise BadAnswer(f"the word {answer.word[:40]!r}")
            self._out.add(WHOLE, FILE.pack(number, OPENING, ERRNOS[answer.word]))
            return
        before, _ = of_stat(answer.rest + "|")
        head = FILE.pack(number, 0, 0) + self._tree.packed(before) + struct.pack("<I", 0)
        if before.st_size > SMALL:
            self._large(head, answer)
        else:
            self._small(number, head, answer)

    def _small(self, number: int, head: bytes, answer: Answer) -> None:
        content = answer.text()
        failed, after = _ended(answer.tail)
        if failed:
            self._out.add(WHOLE, FILE.pack(number, READING, failed))
        else:
            self._out.add(WHOLE, head, _end(failed, after), content[:SMALL])

    def _large(self, head: bytes, answer: Answer) -> None:
        self._out.add(BEGIN, head)
        for piece in answer.content():
            for at in range(0, len(piece), MAX_BLOCK):
                self._out.add(DATA, piece[at : at + MAX_BLOCK])
        self._out.add(STOP, _end(*_ended(answer.tail)))


def _ended(tail: str) -> tuple[int, Stat | None]:
    """The errno of what has failed, or 0; and what the open file is afterwards."""
    code, _, rest = tail.partition("|")
    same, _, after = rest.partition("|")
    if same == "other":
        return errno.ESTALE, None  # a symlink on the way, or another file by now
    if code != "0" or same != "same" or not after:
        return errno.EIO, None
    return 0, of_stat(after + "|")[0]


def _end(failed: int, after: Stat | None) -> bytes:
    if after is None:
        return END.pack(READING, failed, 0, 0)
    return END.pack(0, 0, after.st_ctime_ns, after.st_size)
