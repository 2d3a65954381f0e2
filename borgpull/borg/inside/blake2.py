"""borg's blake2b: by libsodium, once there is much to hash, where that is faster.

With `repokey-blake2`, borg hashes each new byte twice: for the id of its chunk, and for the code by
which a reader knows that it is authentic.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from borgpull.borg.inside.sodium import Sodium

WORTH = 4 << 10  # bytes of a content: below, the call takes longer than it saves
ENOUGH = 4 << 20  # bytes of such contents before the library is loaded, which takes 10 ms
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
        self.library: Sodium | None = None  # if it is the faster one
        # Of small contents alone, Python's own is asked for without a detour.
        self.blake2b: Callable[..., Any] = hashlib.blake2b

    def see(self, data: Any) -> None:
        """A content is about to be hashed."""
        if self._left <= 0 or not is_large(data):
            return
        self._left -= len(data)
        if self._left <= 0:
            with contextlib.suppress(ImportError):  # a Python without ctypes
                from borgpull.borg.inside.sodium import loaded

                self.library = loaded()
            if self.library is not None:
                self.blake2b = functools.partial(_blake2b, self.library)

    def __getattr__(self, name: str) -> Any:
        return getattr(hashlib, name)


def is_large(data: Any) -> bool:
    """Is it a content that the library can hash, and for which the call is worth it?"""
    return len(data) >= WORTH and type(data) is bytes


def _blake2b(library: Sodium, data: Any = b"", *, digest_size: int = 64) -> Any:
    """As borg calls hashlib's."""
    if digest_size == SIZE and is_large(data):
        return Done(library.hash(data))
    return hashlib.blake2b(data, digest_size=digest_size)


HASHES = Hashes()


def use() -> None:
    """Let borg's own code hash by it (borg 1.4.5, crypto/low_level.pyx: mac_compute, blake2b_256).

    Whoever authenticates and whoever verifies must hash alike, so a wrong hash would be found by
    the next process only. Hence the look in `loaded`.
    """
    from borg.crypto import low_level  # type: ignore[import-not-found]

    low_level.hashlib = HASHES
