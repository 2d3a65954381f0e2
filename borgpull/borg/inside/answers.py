"""The client's files, as the helper of `stream` answers for them: what was read, or why not."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from typing import Any

from borgpull.borg.inside import wire
from borgpull.borg.inside.ahead import Hashed
from borgpull.borg.inside.content import Large, Reader
from borgpull.borg.inside.delta import Compared
from borgpull.borg.inside.engine import Engine
from borgpull.borg.inside.extras import extra
from borgpull.borg.inside.frames import SEVERAL, Frame
from borgpull.borg.inside.fresh import Come
from borgpull.borg.inside.slots import READY, Slot
from borgpull.borg.inside.wire import Answer, BadFrame, End, Row, Stat

_OPS = ("", "open", "read")


class Run(Engine):
    """An engine that takes answers, too."""

    def _take(self, frame: Frame) -> None:
        kind, content, soon = frame[:3]
        if kind == SEVERAL:
            slots, contents = content
            every = soon.result() if soon is not None else [None] * len(slots)
            self._several(zip(slots, contents, every, strict=True))
        elif kind == wire.WHOLE:
            slot, answer, end, data = content
            hashed = soon.result()[0] if soon is not None else None
            self._whole(slot, answer, end, data, hashed)
        elif kind == wire.BEGIN:
            self._large(*content)
        elif kind == wire.AGAIN:
            self._again(*wire.again(content))
        else:
            super()._take(frame)

    def _several(self, come: Iterable[Come]) -> None:
        """Files that are as they were listed. Most follow each other at the head of the queue."""
        ready: list[Come] = []
        for slot, data, hashed in come:
            if not self._queue.took(slot):
                self._save_all(ready)
                ready = []
                self._advance()
                if not self._queue.took(slot):
                    assert self._saving is not None
                    end = End(0, 0, slot.st.st_ctime_ns, slot.st.st_size)
                    self._finish(slot, self._saving[2].small(data, hashed), len(data), end)
                    continue
            ready.append((slot, data, hashed))
        self._save_all(ready)
        self._advance()

    def _whole(
        self, slot: Slot, answer: Answer, end: End, data: bytes, hashed: Hashed | None
    ) -> None:
        if answer.stage:
            self._failed(slot, _OPS[answer.stage], answer.errno)
            return
        self._opened(slot, answer)
        assert self._saving is not None
        self._finish(slot, self._saving[2].small(data, hashed), len(data), end)

    def _begin(self, content: bytes) -> tuple[Slot, Large]:
        answer = wire.begin(content)[0]
        slot = self.asked.answered(answer.number)
        self._opened(slot, answer)
        assert self._saving is not None
        reader = self._reader(slot)
        self._ask()  # so that the helper knows what comes next
        return slot, self._saving[2].begin(reader)

    def _large(self, slot: Slot, large: Large) -> None:
        assert self._saving is not None
        fields, reader = self.fields.item(slot.path, slot.st, slot.extra), large.reader
        chunks, end = self._saving[2].large(fields, large)
        if end.stage:
            where = f"{os.strerror(end.errno)} after {reader.size} bytes"
            self._failed(slot, _OPS[end.stage], end.errno, where)
        elif reader.lost:
            self._saving[2].drop(chunks)
            slot.base = []  # all of it must come
            self._want(slot, slot.status, first=True)
        else:
            self._finish(slot, chunks, reader.size, end)

    def _reader(self, slot: Slot) -> Reader:
        size = slot.st.st_size
        if self.asked.known is None or not slot.base:
            return Reader(self._channel, size)
        assert self._saving is not None
        pieces = [piece[:2] for piece in self.asked.known.pieces(slot.base)]
        whole, seen = self.asked.known.sums.of(slot.base), self._saving[1].seen_chunk
        return Compared(self._channel, size, pieces, whole, seen)

    def _opened(self, slot: Slot, answer: Answer) -> None:
        """Take over what the open file is: it may be another one than was listed."""
        st = answer.st
        if st is None or not stat.S_ISREG(st.st_mode):
            raise BadFrame("an answer that is no file")
        if (st.st_ino, st.st_dev) != slot.inode:
            self._links.free(slot)
        if slot.status == "U" and not _as_listed(slot.st, st):
            slot.status = "M"  # since the files cache knew it
        more = extra(answer.extra)
        self._queue.grow(slot, len(answer.extra))
        news = more.fresh and more._replace(fresh=slot.extra.fresh) != slot.extra
        slot.other = slot.other or news or st != slot.st
        slot.st, slot.extra = st, more if more.fresh else slot.extra

    def _finish(self, slot: Slot, chunks: list[Any], size: int, end: End) -> None:
        assert self._saving is not None
        archive, _, own = self._saving
        st = slot.st
        changed = st.st_ctime_ns != end.ctime_ns or st.st_size != end.size
        if not changed and size < st.st_size:
            # No race: its end came too early. A disk does so, or a file system without errors.
            own.drop(chunks)
            self._failed(slot, "read", errno.EIO, f"{size} bytes of {st.st_size} could be read")
            return
        slot.sum = own.sum
        ids = [chunk.id for chunk in chunks]
        if slot.status == "U" and not changed and size == st.st_size:
            self._look_again(slot, ids)
        if changed or size != st.st_size:
            slot.status = "C"
            self._tell.changed(slot.path)
            if slot.base:  # of a file that changes, a client that compares cannot tell the sum
                slot.sum = None
        else:
            own.remember(ids)
            slot.unsure = slot.status != "U" and self.unseen.may(st)
            if slot.status != "U" and not slot.unsure:
                self._files.memorize(slot.hash, st, ids)
                if self.asked.known is not None:
                    self.asked.known.memorized(slot)
        archive.stats.nfiles += 1
        self._made(slot, chunks)
        self._advance()

    def _failed(self, slot: Slot, op: str, errno: int, text: str = "") -> None:
        self._tell.failed(slot.path, op, errno, text)
        self._links.free(slot)
        slot.state = READY
        self._advance()

    def _look_again(self, slot: Slot, ids: list[bytes]) -> None:
        """An unchanged file was read once more; a brief one has one chunk."""
        reread = self.reread
        if ids != slot.ids if reread is None else not reread.judge(slot, ids, slot.sum):
            slot.status = "M"

    def _again(self, number: int, row: Row) -> None:
        """A file has become something else since it was listed: a symlink, say."""
        slot = self.asked.answered(number)
        if stat.S_ISREG(row.st.st_mode) or stat.S_ISDIR(row.st.st_mode):
            raise BadFrame("a file that has become a file")
        self._links.free(slot)
        self._queue.grow(slot, len(row.extra))
        slot.st, slot.extra, slot.state = row.st, extra(row.extra), READY
        slot.other = True
        if not stat.S_ISSOCK(row.st.st_mode):  # borg saves none
            self.special.fill(slot)
        self._advance()


def _as_listed(listed: Stat, now: Stat) -> bool:
    """By what the files cache compares."""
    known, found = ((st.st_ino, st.st_size, st.st_ctime_ns, st.st_mtime_ns) for st in (listed, now))
    return known == found
