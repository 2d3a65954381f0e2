"""Unchanged files that are read once more. A disk may change a content, and no time with it."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Any

from borgpull.borg.inside.slots import Slot
from borgpull.borg.inside.sums import Sums

MAX_DIFFERS = 10_000  # names


def is_due(hashed: bytes, share: int, turn: int) -> bool:
    """Is it the turn of this file? One in `share` has its turn, other ones each time.

    `hashed` is a keyed hash of its path: a client cannot know which these are.
    """
    return int.from_bytes(hashed, "big") % share == turn % share


class Reread:
    """A share of the files, by a key that the client does not have: another one in each run."""

    def __init__(self, key: bytes, share: int, run: int, sums: Sums) -> None:
        self._key, self._share, self._turn = key, share, run
        self._sums = sums
        self._files = self._bytes = 0
        self._differs: list[str] = []

    def due(self, path: bytes) -> bool:
        found = hmac.digest(self._key, path, "sha256")
        return is_due(found[:8], self._share, self._turn)

    def judge(self, slot: Slot, ids: Sequence[bytes], found: bytes | None) -> bool:
        """May the files cache keep what it has? `found` is the content's sum now.

        Not if the content is another one than in the archive before, nor if nobody can tell.
        """
        known = self._sums.of(slot.ids)
        same = ids == slot.ids or (known is not None and found == known)
        # Without a sum, only a file of one chunk tells: others may be cut elsewhere.
        if not same and known is None and not len(ids) == 1 == len(slot.ids):
            return False
        self._files += 1
        self._bytes += slot.st.st_size
        if not same and len(self._differs) < MAX_DIFFERS:
            self._differs.append(slot.path)
        return same

    def told(self) -> dict[str, Any]:
        return {"files": self._files, "bytes": self._bytes, "differs": self._differs}
