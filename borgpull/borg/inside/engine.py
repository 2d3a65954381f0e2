"""What comes from the helper of `stream`, made into the items of an archive, in borg's order.

An entry whose file is in borg's files cache becomes an item at once. Any other file is asked for.
Answers come in the order of the questions, and items leave a queue in the order of the listing.
"""

from __future__ import annotations

import itertools
import stat
from typing import Any

from borgpull.borg.inside import wire
from borgpull.borg.inside.brief import SECOND, is_brief, seconds
from borgpull.borg.inside.channel import Channel
from borgpull.borg.inside.content import Chunks, Large
from borgpull.borg.inside.frames import SEVERAL, Frame, Frames
from borgpull.borg.inside.fresh import Fresh
from borgpull.borg.inside.lastword import may_ask
from borgpull.borg.inside.places import Places
from borgpull.borg.inside.promise import Promise
from borgpull.borg.inside.repeated import ALL, Repeated
from borgpull.borg.inside.saving import Saving
from borgpull.borg.inside.skipped import Skipped
from borgpull.borg.inside.slots import (
    LATER,
    MAX_QUEUE,
    READY,
    Batch,
    Slot,
    of_row,
)
from borgpull.borg.inside.tell import Teller
from borgpull.borg.inside.usual import Usual
from borgpull.borg.inside.wire import BadFrame, Row

# We ask for more, and look at the clock, after so many frames: each time costs as much as a file
# does. With fewer files asked for, we do so after each frame.
TURNS, FEW_ASKED = 32, 512
# The helper learns after so many entries how far this side is.
DONE_EVERY = 1024
MAX_NAMES = 1_000_000  # of users, and of groups


class Engine(Saving):
    """One run."""

    def __init__(
        self,
        channel: Channel,
        places: Places,
        promise: Promise,
        teller: Teller,
        saving: tuple[Any, Any, Chunks] | None,
    ) -> None:
        """`saving` has borg's archive and cache, and our chunks; None for a dry run."""
        super().__init__(channel, promise, teller, saving)
        self._channel, self._places = channel, places
        hasher = saving[2].hasher if saving is not None else None
        self._frames = Frames(channel, self.asked, hasher, self._begin)
        self._count = self._done = 0
        self._brief = 0  # older files (ns) may come without their flags
        self._total: int | None = None  # entries, once the listing is at its end
        self._finished = False  # has the helper been told that nothing more will be asked?
        self._waited = 2 * MAX_QUEUE  # how many were waiting at the last look for that
        self.may_skip: list[str] = []  # why a folder may be left out
        self.skipped = Skipped()

    def run(self) -> None:
        """Take all that comes, to the helper's last word. Raises BadFrame, Ended."""
        self._usual, self._fresh = self._for_usual(), self._for_fresh()
        self._repeated = self._for_repeated()
        if self._saving is not None and not self._files.usual:
            self.reads.came += 1  # nobody knows
        self._be_brief()
        for turn in itertools.count():
            if self._total is not None and not self._queue:
                break
            frame = self._frames.frame()
            self._take(frame)
            if frame.kind == SEVERAL or turn % TURNS == 0 or len(self.asked) < FEW_ASKED:
                self._ask()
                self._tend()
        self._tend()
        self._say_last()
        self._channel.push()
        kind, content = self._frames.frame()[:2]
        if kind != wire.BYE or wire.bye(content) != (self._count, self.asked.answers):
            raise BadFrame("the last word is missing, or its counts are wrong")

    def _for_usual(self) -> Usual | None:
        """None where each file has a line, or no ctime, or where none is known yet."""
        if self._saving is None or "U" in self._tell.shown or not self.fields.ctimes:
            return None
        if not self._files.usual or not self._files.entries:
            return None
        archive, _, chunks = self._saving
        more = (self.fields, self.manifest, self.reread, self.reads)
        return Usual(archive, chunks, self._files, *more, self.writer)

    def _for_fresh(self) -> Fresh | None:
        """None where there is no ctime."""
        if self._saving is None or not self.fields.ctimes or not self._files.usual:
            return None
        archive, _, chunks = self._saving
        more = (self.manifest, self.reads, self.asked.known, self.writer)
        return Fresh(archive, chunks, self._files, self.fields, *more, self.unseen)

    def _for_repeated(self) -> Repeated | None:
        """None if the last listing is of no use, or if some of its files are to be read again."""
        if self._usual is None or self.writer is None or self.manifest is None:
            return None
        if self.last is None or self.reread is not None:
            return None
        assert self._saving is not None
        archive, _, chunks = self._saving
        return Repeated(self.last, self.writer, archive, chunks, self._files, self.manifest)

    def _be_brief(self) -> None:
        """Let files that the last listing should have be listed briefly (see brief.py)."""
        since = seconds(self.since)
        if self._repeated is None or self.asked.known is None or not since:
            return
        self._brief = since * SECOND
        if self._usual is not None:
            self._usual.brief = self._brief
        if self.last_odd is not None:
            self._channel.numbers(wire.INODES, self.last_odd)
            self._channel.numbers(wire.DEVICES, self.devices)
        self._channel.ask(wire.BRIEF, since)
        self._channel.push()

    def _tend(self) -> None:
        if self._saving is not None:
            self._saving[2].tend(self._last)

    def _begin(self, content: bytes) -> tuple[Slot, Large]:
        """Take the beginning of a large file; `Run` does it. Raises BadFrame, Ended."""
        raise NotImplementedError

    def _take(self, frame: Frame) -> None:
        kind, content = frame[:2]
        if self.manifest is not None and (
            kind == wire.LIST or (kind == wire.NAME and self.fields.by_name)
        ):
            self.manifest.frame(kind, content)
        if kind == wire.LIST:
            self._list(content)
        elif kind == wire.NAME:
            group, number, name = wire.name(content)
            name = name if self.fields.by_name else None
            self.fields.learn(group, number, name)
            if self._repeated is not None:
                self._repeated.see_name(group, number, name)
            if len(self.fields.names[group]) > MAX_NAMES:
                raise BadFrame("names of users without end")
        elif kind == wire.TROUBLE:
            self._trouble(wire.trouble(content))
        elif kind == wire.LISTED:
            self._total = wire.listed(content)
            if self._total != self._count:
                raise BadFrame(f"{self._count} entries, and {self._total} by the helper's count")
        else:
            raise BadFrame(f"a frame of kind {kind} out of turn")

    # --- the listing ------------------------------------------------------------------------------

    def _list(self, content: bytes) -> None:
        if self._usual is None and self._fresh is None:
            for row in wire.rows(content):
                self._row(row)
            return
        text, at = wire.unpacked(content, wire.MAX_ROWS), 0
        if self.writer is not None:
            known = self._repeated.frame(content, text) if self._repeated is not None else None
            self.writer.frame(self._count, content, text, known.sizes if known else None)
        sure = 0
        while at < len(text):
            most = ALL
            if self._repeated is not None:
                stretch, at = self._repeated.look(text, at, self._count, self._places)
                if stretch is not None:
                    self._batch(stretch)
                    continue
                most, sure = self._repeated.most, self._repeated.sure
            if self._usual is not None:
                run, at = self._usual.look(text, at, self._count, self._places, most, sure)
                if run:
                    self._batch(run)
                if len(run) == most:
                    continue
            if self._fresh is not None:
                slots, at = self._fresh.look(text, at, self._count, self._places)
                if slots:
                    self._want_all(slots)
                    continue
            if at < len(text):
                row = next(wire.rows_from(text, at))
                self._row(row, brief=at >= sure and is_brief(row.st, row.extra, self._brief))
                at += wire.ENTRY_STAT.size + len(row.name) + len(row.extra)

    def _batch(self, batch: Batch) -> None:
        if self._total is not None:
            raise BadFrame("an entry after the end of the listing")
        self._count += len(batch)
        if self._queue:
            self._queue.add(batch)
        elif not self._save_batch(batch):
            self._advance()

    def _want_all(self, slots: list[Slot]) -> None:
        if self._total is not None:
            raise BadFrame("an entry after the end of the listing")
        self._count += len(slots)
        self._queue.extend(slots)
        self.asked.extend(slots)

    def _row(self, row: Row, *, brief: bool = False) -> None:
        if self._total is not None:
            raise BadFrame("an entry after the end of the listing")
        number, self._count = self._count, self._count + 1
        path = self._places.path(row.depth, row.name)
        kind = stat.S_IFMT(row.st.st_mode)
        saved = path is not None and self._places.saves(path)
        if kind == stat.S_IFDIR and not self._places.enter(path) and path is not None:
            self._channel.ask(wire.PRUNE, number)
        if path is None:
            return
        if not saved:
            self._tell.status("x", path)
        elif self._saving is None:
            self._tell.status("-", path)
            self.items["-"] += 1
        elif kind == stat.S_IFREG:
            slot = of_row(number, path, row, LATER)
            slot.brief = brief
            self._file(slot)
        else:
            self._add(self.special.fill(of_row(number, path, row, READY)))

    def _trouble(self, trouble: wire.Trouble) -> None:
        path = self._places.path(trouble.depth, trouble.name)
        if path is not None and self._places.saves(path):
            if trouble.op in (wire.TAG, wire.MOUNT):
                self.skipped.see(trouble.op, path, self.may_skip)
            else:
                self._tell.failed(path, trouble.op, trouble.errno)

    def _ask(self) -> None:
        """Ask for files, and tell how far we are."""
        self.asked.send()
        done = self._queue.head.number if self._queue else self._count
        if self.writer is not None:
            self.writer.done(done)
        # The helper may wait for our word before it lists on.
        if done - self._done >= (DONE_EVERY if self._queue else 1) and not self._finished:
            self._done = done
            self._channel.ask(wire.DONE, done)
        self._say_last()
        self._channel.push()

    def _say_last(self) -> None:
        """Note the last word to the helper, once it is sure that nothing more will be asked.

        Each look takes time. So there is one once half of those that waited at the last one have
        gone.
        """
        waiting = len(self._queue)
        if self._finished or self._total is None or not self.asked.all_sent:
            return
        if waiting:
            if 2 * waiting > self._waited or self._saving is None or self.asked.known is None:
                return
            self._waited = waiting
            if may_ask(self._queue, self._saving[1].chunks):
                return
        self._finished = True
        self._channel.ask(wire.FINISH)
