"""What comes from the helper of `stream`, made into the items of an archive, in borg's order.

An entry whose file is in borg's files cache becomes an item at once. Any other file is asked for.
Answers come in the order of the questions, and items leave a queue in the order of the listing.
"""

from __future__ import annotations

import itertools
import os
import stat
from collections import Counter
from typing import Any

from borgpull.borg.inside import filescache, wire
from borgpull.borg.inside.asked import Asked
from borgpull.borg.inside.channel import Channel
from borgpull.borg.inside.content import Chunks
from borgpull.borg.inside.fields import Fields, stored
from borgpull.borg.inside.manifest import Manifest
from borgpull.borg.inside.places import Places
from borgpull.borg.inside.promise import Promise
from borgpull.borg.inside.reread import Reread
from borgpull.borg.inside.skipped import Skipped
from borgpull.borg.inside.slots import (
    ASKED,
    KNOWN,
    LATER,
    LETTERS,
    READY,
    TYPES,
    FirstNames,
    Queue,
    Slot,
    of_row,
)
from borgpull.borg.inside.tell import Teller
from borgpull.borg.inside.wire import BadFrame, Row

# We ask for more, and look at the clock, after so many frames: each time costs as much as a file
# does. With fewer files asked for, we do so after each frame.
TURNS, FEW_ASKED = 32, 512
# The helper learns after so many entries how far this side is.
DONE_EVERY = 1024
MAX_NAMES = 1_000_000  # of users, and of groups


class Engine:
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
        self._channel, self._places, self._promise = channel, places, promise
        self._tell, self._saving = teller, saving
        if saving is not None:
            self._files = filescache.Files(saving[1])
        self.reread: Reread | None = None
        self.manifest: Manifest | None = None
        self.fields = Fields()
        self._queue = Queue()
        self.asked = Asked(channel)
        self._links = FirstNames()
        self._count = self._done = 0
        self._total: int | None = None  # entries, once the listing is at its end
        self.items: Counter[str] = Counter()  # by borg's type letters
        self._last = ""  # the path of the last item
        self.times = 0  # items whose mtime borg cannot store
        self.may_skip: list[str] = []  # why a folder may be left out
        self.skipped = Skipped()

    def run(self) -> None:
        """Take all that comes, to the helper's last word. Raises BadFrame, Ended."""
        for turn in itertools.count():
            if self._total is not None and not self._queue:
                break
            self._take(*self._channel.frame())
            if turn % TURNS == 0 or len(self.asked) < FEW_ASKED:
                self._ask()
                self._tend()
        self._tend()
        self._channel.ask(wire.FINISH)
        self._channel.push()
        kind, content = self._channel.frame()
        if kind != wire.BYE or wire.bye(content) != (self._count, self.asked.answers):
            raise BadFrame("the last word is missing, or its counts are wrong")

    def _tend(self) -> None:
        if self._saving is not None:
            self._saving[2].tend(self._last)

    def _take(self, kind: int, content: bytes) -> None:
        if self.manifest is not None and (
            kind == wire.LIST or (kind == wire.NAME and self.fields.by_name)
        ):
            self.manifest.frame(kind, content)
        if kind == wire.LIST:
            for row in wire.rows(content):
                self._row(row)
        elif kind == wire.NAME:
            group, number, name = wire.name(content)
            self.fields.learn(group, number, name if self.fields.by_name else None)
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

    def _row(self, row: Row) -> None:
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
            self._file(of_row(number, path, row, LATER))
        else:
            self._add(self._special(of_row(number, path, row, READY)))

    def _special(self, slot: Slot) -> Slot:
        """Fill in a slot of anything but a regular file."""
        kind = stat.S_IFMT(slot.st.st_mode)
        if kind not in LETTERS:
            self._tell.unknown_type(slot.path)
            return slot
        if self._unlisted(slot):
            return slot
        source = leads = None
        slot.status = LETTERS[kind]
        if kind == stat.S_IFLNK:
            source = os.fsdecode(slot.extra.target)
        elif kind != stat.S_IFDIR:
            source = self._links.of(slot) if slot.st.st_nlink > 1 else None
            if source is not None:
                slot.status = "h"
            else:
                if slot.st.st_nlink > 1:
                    self._links.claim(slot)
                leads = self._links.leads(slot)
        slot.item = self.fields.item(slot.path, slot.st, slot.extra, source=source, leads=leads)
        return slot

    def _unlisted(self, slot: Slot) -> bool:
        """Could its attributes not even be listed? borg does not save such an entry."""
        found = [errno for key, errno in slot.extra.failed if not key]
        if found:
            self._tell.failed(slot.path, "extended stat (xattrs)", found[0])
        return bool(found)

    def _file(self, slot: Slot) -> None:
        linked = slot.st.st_nlink > 1
        if not linked or self._links.of(slot) is None:
            if linked:
                self._links.claim(slot)
            self._choose(slot)
        self._add(slot)

    def _choose(self, slot: Slot, *, first: bool = False) -> None:
        """Is the content known, or asked for?"""
        assert self._saving is not None
        name = stored(f"/{slot.path}")
        slot.hash = self._saving[0].key.id_hash(name)
        known, ids = (False, None)
        if not slot.extra.closed:
            known, ids = self._files.find(slot.hash, slot.st)
        if ids is not None:
            slot.state, slot.ids, slot.status = KNOWN, ids, "U"
            if ids and self.reread is not None and self.reread.due(name):
                slot.base = ids
                self._want(slot, "U", first=first)
        else:
            if self.asked.known is not None and not slot.extra.closed:
                slot.base = self.asked.known.base(slot)
            self._want(slot, "M" if known else "A", first=first)

    def _want(self, slot: Slot, status: str, *, first: bool = False) -> None:
        slot.state, slot.status = ASKED, status
        self.asked.want(slot, first=first)

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
        # The helper may wait for our word before it lists on.
        if done - self._done >= (DONE_EVERY if self._queue else 1):
            self._done = done
            self._channel.ask(wire.DONE, done)
        self._channel.push()

    # --- the queue --------------------------------------------------------------------------------

    def _add(self, slot: Slot) -> None:
        if self._queue or not self._ready(slot):
            self._queue.add(slot)
        elif slot.item is not None:
            self._save(slot)

    def _advance(self) -> None:
        """Make items of what is at the head of the queue, as far as it is known."""
        while self._queue:
            slot = self._queue.head
            if not self._ready(slot):
                return
            self._queue.pop()
            if slot.item is not None:
                self._save(slot)

    def _ready(self, slot: Slot) -> bool:
        """Is all known of it, now that all before it are saved?"""
        if slot.state == KNOWN:
            self._unchanged(slot)
        elif slot.state == LATER:
            self._another_name(slot)
        return slot.state == READY

    def _save(self, slot: Slot) -> None:
        assert self._saving is not None
        kind = TYPES[stat.S_IFMT(slot.st.st_mode)]
        if slot.extra.failed:
            self._tell.attributes(slot.path, slot.extra.failed)
        if slot.status in self._tell.shown:
            self._tell.status(slot.status, slot.path)
        self._saving[2].add(slot.item)
        if self.manifest is not None:
            self.manifest.saved(slot)
        self.items[kind] += 1
        self.times += slot.item["mtime"] != slot.st.st_mtime_ns
        if self._promise.open:
            self._promise.see(slot.path, kind)
        self._last = slot.path

    def _unchanged(self, slot: Slot) -> None:
        assert self._saving is not None
        found = self._saving[2].known(slot.ids)
        if found is None:  # the repository has lost a chunk
            self._want(slot, "M", first=True)
            return
        self._saving[0].stats.nfiles += 1
        self._made(slot, found)

    def _another_name(self, slot: Slot) -> None:
        """A further name of a file. Its first name may have failed: then this one is the first."""
        first = self._links.of(slot)
        if first is None:
            self._links.claim(slot)
            self._choose(slot, first=True)
            if slot.state == KNOWN:
                self._unchanged(slot)
            return
        slot.item = self.fields.item(slot.path, slot.st, slot.extra, source=first)
        slot.state, slot.status = READY, "h"

    def _made(self, slot: Slot, chunks: list[Any]) -> None:
        """All is known of a file, but for the rest of the queue."""
        assert self._saving is not None
        slot.state = READY
        if slot.extra.failed and self._unlisted(slot):
            self._links.free(slot)
            self._saving[2].drop(chunks)
            return
        # It may have lost its other names since they were listed; they refer to it all the same.
        leads = self._links.leads(slot)
        slot.item = self.fields.item(slot.path, slot.st, slot.extra, chunks=chunks, leads=leads)

    def _failed(self, slot: Slot, op: str, errno: int, text: str = "") -> None:
        self._tell.failed(slot.path, op, errno, text)
        self._links.free(slot)
        slot.state = READY
        self._advance()
