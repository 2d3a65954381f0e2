"""What a drill restores of an archive."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from borgpull import jobs
from borgpull.drills import listing
from borgpull.drills.parts import Parts
from borgpull.drills.telling import Telling
from borgpull.restores.tally import exactly_named
from borgpull.state import drills, manifests, ownkey
from borgpull.trees.item import Item, Items
from borgpull.trees.manifest import Entry


class Selection:
    """Which files are restored; and the archive's listing, compared with the manifest."""

    def __init__(self, job: jobs.Drill, told: Telling, state: Path, archive_id: str) -> None:
        self._job, self._told, self._state, self._id = job, told, state, archive_id
        self._parts: Parts | None = None
        self._part = 0
        self._items: Items | None = None
        self.seconds = 0.0  # that this took, which are none of the restore

    def choose(self, items: Items) -> tuple[Items, bytes]:
        """What is restored, and borg's patterns that leave out the rest."""
        begun = time.monotonic()
        self._items = items
        try:
            return self._sample(items) if self._job.sample else (items, b"")
        finally:
            self.seconds = time.monotonic() - begun

    def compare(self, after: Callable[[Iterable[Entry]], Iterator[Entry]]) -> None:
        """Compare the whole listing, if there is one, with the manifest's entries, by way of
        `after`. Raises BadManifest, OSError."""
        if self._items is None:
            return
        with manifests.opened(self._state, self._job.client, self._id) as entries:
            count = listing.compare(self._items, after(entries), self._told.found)
        self._told.facts["entries"] = count

    def _sample(self, items: Items) -> tuple[Items, bytes]:
        assert self._job.sample
        key = ownkey.key(self._state, self._job.client, "sample")
        parts = self._parts = Parts(items, self._job.sample, key)
        last = drills.last_of(self._state, self._job.client, parts.number)
        self._part = min(range(parts.number), key=lambda part: last.get(part, 0))
        self._told.facts["sample"] = f"{self._part + 1}/{parts.number}"
        mask, without = bytearray(), bytearray()
        for item in items:
            wanted = self.wants(item)
            mask.append(wanted)
            if not wanted and exactly_named(item.path):
                without += f"- pf:{item.path}\n".encode()
        return items.only(mask), bytes(without)

    def wants(self, item: Item) -> bool:
        """Is it to be restored?"""
        if self._parts is None or not item.regular:
            return True
        return self._parts.of(item) == self._part
