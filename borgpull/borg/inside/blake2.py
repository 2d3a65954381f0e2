"""borg's blake2b: by libsodium, once there is much to hash, where that is faster.

With `repokey-blake2`, borg hashes each new byte twice: for the id of its chunk, and for the code by
which a reader knows that it is authentic.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from borgpull.borg.inside.sodium import Sodium

WORTH = 4 << 10  # bytes of a content: below, the call takes longer than it saves
ENOUGH = 8 << 20  # bytes of such contents before the library is loaded, which takes 10 ms
SIZE = 32  # bytes of all hashes that borg makes of content


class Done(NamedTuple):
    """A hash, as borg asks hashlib's objects for it."""

    found: bytes

    def digest(self) -> bytes:
        return self.found


class Hashes:
    """Stands for hashlib: its blake2b is the faster one once there is much to hash."""

    def __init__(self) -> None:
        self._left = ENOUGH
        self._library: Sodium | None = None

    def library(self, data: Any) -> Sodium | None:
        """What is to hash this content; None for Python's own."""
        if type(data) is not bytes or len(data) < WORTH:
            return None
        if self._left > 0:
            self._left -= len(data)
            if self._left <= 0:
                with contextlib.suppress(ImportError):  # a Python without ctypes
                    from borgpull.borg.inside.sodium import loaded

                    self._library = loaded()
        return self._library

    def blake2b(self, data: Any = b"", *, digest_size: int = 64) -> Any:
        """As borg calls hashlib's."""
        library = self.library(data) if digest_size == SIZE else None
        if library is None:
            return hashlib.blake2b(data, digest_size=digest_size)
        return Done(library.hash(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(hashlib, name)


HASHES = Hashes()


def use() -> None:
    """Let borg's own code hash by it (borg 1.4.5, crypto/low_level.pyx: mac_compute, blake2b_256).

    Whoever authenticates and whoever verifies must hash alike, so a wrong hash would be found by
    the next process only. Hence the look in `loaded`.
    """
    from borg.crypto import low_level  # type: ignore[import-not-found]

    low_level.hashlib = HASHES
