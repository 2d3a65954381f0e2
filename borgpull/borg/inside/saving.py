"""The files and folders that a run saves: which content is asked for, and the queue of those that
wait for one. Items leave it in the order of the listing.
"""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Sequence
from typing import Any

from borgpull.borg.inside import filescache
from borgpull.borg.inside.asked import Asked
from borgpull.borg.inside.blocks import Blocks
from borgpull.borg.inside.brief import Odd
from borgpull.borg.inside.channel import Channel
from borgpull.borg.inside.content import Chunks
from borgpull.borg.inside.fields import Fields, stored
from borgpull.borg.inside.fresh import Come, Fresh
from borgpull.borg.inside.manifest import Manifest, packed
from borgpull.borg.inside.newblocks import Writer
from borgpull.borg.inside.promise import Promise
from borgpull.borg.inside.reads import Reads
from borgpull.borg.inside.repeated import Repeated
from borgpull.borg.inside.reread import Reread
from borgpull.borg.inside.slots import (
    ASKED,
    KNOWN,
    LATER,
    READY,
    TYPES,
    Batch,
    FirstNames,
    Queue,
    Slot,
)
from borgpull.borg.inside.special import Special
from borgpull.borg.inside.tell import Teller
from borgpull.borg.inside.unseen import Unseen
from borgpull.borg.inside.usual import Usual

READ = "AMC"  # statuses of files whose content is another one, or may be


class Saving:
    """What a run has saved so far, and what waits."""

    def __init__(
        self,
        channel: Channel,
        promise: Promise,
        teller: Teller,
        saving: tuple[Any, Any, Chunks] | None,
    ) -> None:
        """`saving` has borg's archive and cache, and our chunks; None for a dry run."""
        self.promise, self._tell, self._saving = promise, teller, saving
        if saving is not None:
            self._files = filescache.Files(saving[1])
        self._usual: Usual | None = None
        self._fresh: Fresh | None = None
        self._repeated: Repeated | None = None
        self.last: Blocks | None = None  # of the last run, if nothing else has changed
        # The Unix time of that run: older files may be listed briefly (brief.py), but for these
        # inodes. On these devices, no file is asked for its attributes.
        self.since = 0
        self.last_odd: Sequence[int] | None = None
        self.devices: Sequence[int] = ()
        self.writer: Writer | None = None
        self.reread: Reread | None = None
        self.manifest: Manifest | None = None
        self.reads = Reads()
        self.fields = Fields()
        self.unseen = Unseen(None, ctimes=True)
        self._queue = Queue()
        self.asked = Asked(channel)
        self._links = FirstNames()
        self.special = Special(self.fields, self._links, teller)
        self.items: Counter[str] = Counter()  # by borg's type letters
        self.statuses: Counter[str] = Counter()  # of items on their own, by borg's letters
        self._last = ""  # the path of the last item
        self.odd = Odd()
        self.times = 0  # items whose mtime borg cannot store

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
        slot.hash = self._saving[2].id_hash(name)
        known, ids = (False, None)
        if not slot.extra.closed:
            known, ids = self._files.find(slot.hash, slot.st)
            self.reads.came += self._files.age > 1
        if ids is not None:
            slot.state, slot.ids, slot.status = KNOWN, ids, "U"
            if slot.brief or (ids and self.reread is not None and self.reread.due(name)):
                slot.base = ids
                self._want(slot, "U", first=first)
        else:
            if self.asked.known is not None and not slot.extra.closed:
                slot.base = self.asked.known.base(slot)
            self._want(slot, "M" if known else "A", first=first)

    def _want(self, slot: Slot, status: str, *, first: bool = False) -> None:
        slot.state, slot.status = ASKED, status
        self.asked.want(slot, first=first)

    def _add(self, slot: Slot) -> None:
        if self._queue or not self._ready(slot):
            self._queue.add(slot)
        elif slot.item is not None:
            self._save(slot)

    def _advance(self) -> None:
        """Make items of what is at the head of the queue, as far as it is known."""
        while self._queue:
            slot = self._queue.head
            if not isinstance(slot, Slot):
                self._queue.pop()
                self._save_batch(slot)
                continue
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
        self.statuses[slot.status] += 1
        if slot.status in self._tell.shown:
            self._tell.status(slot.status, slot.path)
        item = self._saving[2].add(slot.item)
        if self.manifest is not None:
            self.manifest.saved(slot)
        if kind == "-" and not self._note(slot, item):
            self.odd.see(slot.st, slot.extra)
        if kind == "-" and slot.status in READ:
            self.reads.see(slot, packed(slot.item.get("chunks") or ()))
        elif slot.status == "h":
            self.reads.see_name(slot.item["source"])
        self.times += slot.item["mtime"] != slot.st.st_mtime_ns
        self._saved(kind, slot.path)

    def _note(self, slot: Slot, item: bytes) -> bool:
        """Let the next run copy the item of a plain file (see blocks.py), if it is one."""
        assert self._saving is not None
        st = slot.st
        chunks: list[Any] = slot.item.get("chunks") or []
        if self.writer is None or len(chunks) != 1 or st.st_nlink != 1 or slot.status not in "AMU":
            return False
        as_stored = (slot.item["mtime"], slot.item.get("ctime")) == (st.st_mtime_ns, st.st_ctime_ns)
        if slot.other or slot.unsure or not as_stored or not slot.extra.is_bare():
            return False
        found = slot.sum if slot.sum is not None else self._saving[2].sums.of([chunks[0].id])
        if found is not None:
            self.writer.one(slot.number, slot.hash, found, chunks[0].csize, item)
        return found is not None

    def _save_batch(self, batch: Batch) -> bool:
        """False if one has lost a chunk: then it is the head of the queue, and others follow."""
        count = batch.save()
        self.items["-"] += count
        for at in range(count if self.promise.open else 0):
            self.promise.see(batch.path(at), "-")
        if count:
            self._last = batch.path(count - 1)
        if count == len(batch):
            return True
        if count + 1 < len(batch):
            self._queue.put_back(batch.rest(count + 1))
        slot = batch.slot(count, LATER)
        self._choose(slot)
        self._queue.put_back(slot)
        return False

    def _save_all(self, come: Sequence[Come]) -> None:
        """Files of `Fresh`, which are at the head of the queue."""
        if not come:
            return
        assert self._fresh is not None
        self._fresh.save(come)
        for slot, _, _ in come if self.promise.open or "A" in self._tell.shown else ():
            self._tell.status("A", slot.path)
            self.promise.see(slot.path, "-")
        self.items["-"] += len(come)
        self.statuses["A"] += len(come)
        self._last = come[-1][0].path

    def _saved(self, kind: str, path: str) -> None:
        self.items[kind] += 1
        if self.promise.open:
            self.promise.see(path, kind)
        self._last = path

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
        if slot.extra.failed and self.special.unlisted(slot):
            self._links.free(slot)
            self._saving[2].drop(chunks)
            return
        # It may have lost its other names since they were listed; they refer to it all the same.
        leads = self._links.leads(slot)
        slot.item = self.fields.item(slot.path, slot.st, slot.extra, chunks=chunks, leads=leads)
