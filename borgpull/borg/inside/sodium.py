"""libsodium's blake2b. It is faster than the one of Debian's Python on some processors only.

A gigabyte took libsodium 1.0.18 1.30 s, and Python 3.13 1.75 s (50 KB at a time, an AMD EPYC with
AVX2). On a newer one (AVX-512) it took them 1.34 and 0.81 s. So they race, once there is much to
hash.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import time
from collections.abc import Callable

from borgpull.borg.inside.blake2 import SIZE

LIBRARY = "libsodium.so.23"
# A state must begin at a multiple of it (libsodium's crypto_generichash.h).
ALIGNED = 64
# Bytes of a content and number of rounds, in turns, whose shortest ones are compared: 1 ms in all.
RACE, ROUNDS = 64 << 10, 5


class Sodium:
    """The library. Raises OSError, AttributeError if it is not there, or is another one."""

    def __init__(self) -> None:
        library = ctypes.CDLL(LIBRARY)
        if library.sodium_init() < 0:
            raise OSError("libsodium does not start")
        pointer, length, bits64 = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_ulonglong
        self._whole = library.crypto_generichash_blake2b
        self._whole.argtypes = [pointer, length, ctypes.c_char_p, bits64, pointer, length]
        self._update = library.crypto_generichash_blake2b_update
        self._update.argtypes = [pointer, ctypes.c_char_p, bits64]
        # These two are so brief that no other thread need run meanwhile.
        brief = ctypes.PyDLL(LIBRARY)
        self._begin = brief.crypto_generichash_blake2b_init
        self._begin.argtypes = [pointer, pointer, length, length]
        self._end = brief.crypto_generichash_blake2b_final
        self._end.argtypes = [pointer, pointer, length]
        self._state = int(library.crypto_generichash_blake2b_statebytes())

    def hash(self, data: bytes) -> bytes:
        out = ctypes.create_string_buffer(SIZE)
        self._whole(out, SIZE, data, len(data), None, 0)
        return out.raw

    def behind(self, key: bytes) -> Callable[[bytes], bytes]:
        """The hash of the key and a content behind it, without a copy of the content."""
        room = self._room()
        self._begin(room, None, 0, SIZE)
        self._update(room, key, len(key))
        begun = room.raw

        def hashed(data: bytes) -> bytes:
            mine, out = self._room(), ctypes.create_string_buffer(SIZE)
            mine.raw = begun
            self._update(mine, data, len(data))
            self._end(mine, out, SIZE)
            return out.raw

        return hashed

    def _room(self) -> ctypes.Array[ctypes.c_char]:
        """For a state. It keeps the memory that it lies in."""
        memory = ctypes.create_string_buffer(self._state + ALIGNED)
        return (ctypes.c_char * self._state).from_buffer(
            memory, -ctypes.addressof(memory) % ALIGNED
        )


def loaded() -> Sodium | None:
    """The library; None if it is not there, makes other hashes than Python, or is not faster."""
    try:
        found = Sodium()
    except (OSError, AttributeError):
        return None
    key, data = os.urandom(128), os.urandom(5000)
    right = [_usual(data), _usual(key + data)]
    if [found.hash(data), found.behind(key)(data)] != right:
        return None
    return found if is_faster(found.hash, _usual) else None


def _usual(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=SIZE).digest()


def is_faster(one: Callable[[bytes], object], other: Callable[[bytes], object]) -> bool:
    """Does the first function need less of the processor for a content than the second?

    The time of day would tell how long each one waits for other threads, too.
    """
    data, shortest = bytes(RACE), [float("inf")] * 2
    for _ in range(ROUNDS):
        for number, function in enumerate((one, other)):
            begun = time.thread_time()
            function(data)
            shortest[number] = min(shortest[number], time.thread_time() - begun)
    return shortest[0] < shortest[1]
