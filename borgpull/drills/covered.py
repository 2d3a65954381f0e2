"""How much of an archive's content is proved, by this drill and by those of the last days."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from borgpull.drills.findings import add, share
from borgpull.outputs.drills import Coverage
from borgpull.state.drills import Proofs
from borgpull.trees.manifest import Entry

DAYS = 90


class Covered:
    """Counts the entries of a manifest while they are compared."""

    def __init__(self, proofs: Proofs, now: datetime) -> None:
        self._proofs = proofs
        self._proved, self._all = [0, 0], [0, 0]  # files, bytes
        self._oldest: int | None = None  # Unix time
        self._begun = proofs.since or int(now.timestamp())
        self._last: Entry | None = None  # that was proved

    def after(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The entries. Each one is counted once the next one is asked for: it is compared then."""
        for entry in entries:
            yield entry
            self._count(entry)

    def proves(self, entry: Entry) -> None:
        """This drill has proved the content of a file. It is counted when its turn comes."""
        assert entry.sha256 is not None
        self._proofs.add(entry.item.path, entry.sha256)
        self._last = entry

    def _count(self, entry: Entry) -> None:
        item = entry.item
        if not (item.regular and item.first_name):
            return
        add(self._all, item.size)
        if entry is self._last or (
            entry.sha256 and self._proofs.of(item.path, entry.sha256) in self._proofs.known
        ):
            add(self._proved, item.size)
            return
        since = max((entry.ctime_ns or 0) // 10**9, self._begun)
        self._oldest = since if self._oldest is None else min(self._oldest, since)

    def told(self) -> Coverage:
        oldest = self._oldest
        return {
            "days": DAYS,
            "proved": share(self._proved),
            "all": share(self._all),
            "oldest_unproved": None
            if oldest is None
            else datetime.fromtimestamp(oldest, UTC).isoformat(),
        }
