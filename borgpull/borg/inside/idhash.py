"""The ids of chunks, as borg's keys make them, without a copy of the content."""

from __future__ import annotations

import functools
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from borgpull.borg.inside.blake2 import HASHES, SIZE, is_large


def id_hash_of(key: Any) -> Callable[[Any], bytes]:
    """Makes the same as the key's `id_hash`.

    borg 1.4.5, crypto/low_level.pyx, blake2b_256: it hashes the key and a copy of the content
    behind it, and no other thread runs while the content is copied.
    """
    from borg.crypto.key import ID_BLAKE2b_256  # type: ignore[import-not-found]

    if not isinstance(key, ID_BLAKE2b_256):
        found: Callable[[Any], bytes] = key.id_hash
        return found
    begun = blake2b(key.id_key, digest_size=SIZE)
    behind = functools.cache(lambda library: library.behind(key.id_key))

    def id_hash(data: Any) -> bytes:
        if is_large(data):
            HASHES.see(data)
            library = HASHES.library
            if library is not None:
                made: bytes = behind(library)(data)
                return made
        hashing = begun.copy()
        hashing.update(data)
        return hashing.digest()

    return id_hash
