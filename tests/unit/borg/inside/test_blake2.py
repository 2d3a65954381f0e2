"""borg's hashes by libsodium: the very ones of hashlib, by whatever way they are asked for."""

from __future__ import annotations

import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from borgpull.borg.inside import sodium
from borgpull.borg.inside.blake2 import ENOUGH, WORTH, Done, Hashes

SIZES = (0, 1, 127, 128, 129, WORTH - 1, WORTH, WORTH + 1, 50_001, 1 << 20, (8 << 20) + 3)


def usual(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=32).digest()


@pytest.fixture
def wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """libsodium is the faster one, whatever this machine's processor is."""
    monkeypatch.setattr(sodium, "is_faster", lambda *_: True)


def warm() -> Hashes:
    """One that has had enough to load the library."""
    found = Hashes()
    found.see(bytes(ENOUGH))
    assert found.library is not None
    return found


@pytest.mark.usefixtures("wins")
def test_all_sizes_have_the_hashes_of_hashlib() -> None:
    hashes = warm()
    for size in SIZES:
        data = os.urandom(size)
        made = hashes.blake2b(data, digest_size=32)
        assert made.digest() == usual(data)
        assert isinstance(made, Done) == (size >= WORTH)
    long = bytes(WORTH)
    assert hashes.blake2b(long).digest() == hashlib.blake2b(long).digest()
    assert hashes.blake2b(long, digest_size=16).digest_size == 16
    assert hashes.sha512 is hashlib.sha512


@pytest.mark.usefixtures("wins")
def test_the_library_is_loaded_once_there_is_much_to_hash() -> None:
    hashes = Hashes()
    for _ in range(ENOUGH // WORTH - 1):
        hashes.see(bytes(WORTH))
        hashes.see(bytes(WORTH - 1))
        hashes.see(memoryview(bytes(WORTH)))
        assert hashes.library is None
        assert hashes.blake2b is hashlib.blake2b
    hashes.see(bytes(WORTH))
    assert hashes.library is not None


def _broken(self: Any, data: bytes) -> bytes:
    return usual(data)[::-1]


@pytest.mark.parametrize("how", ["missing", "other", "wrong", "slower"])
@pytest.mark.usefixtures("wins")
def test_without_a_library_that_fits_it_is_hashlib(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "wrong":
        monkeypatch.setattr(sodium.Sodium, "hash", _broken)
    elif how == "slower":
        monkeypatch.setattr(sodium, "is_faster", lambda *_: False)
    else:
        name = "libsodium.so.0" if how == "missing" else "libc.so.6"
        monkeypatch.setattr(sodium, "LIBRARY", name)
    hashes, data = Hashes(), os.urandom(WORTH)
    hashes.see(bytes(ENOUGH))
    assert hashes.library is None
    assert hashes.blake2b(data, digest_size=32).digest() == usual(data)


def _busy(data: bytes) -> None:
    for _ in range(len(data)):
        pass


def _waiting(data: bytes) -> None:
    time.sleep(0.005)


def test_the_one_that_needs_less_of_the_processor_wins_however_long_it_waits() -> None:
    """As a hash does that waits for a thread that encrypts. A disturbed round does not count."""
    late = iter([_busy])

    def disturbed(data: bytes) -> None:
        next(late, _waiting)(data)

    assert sodium.is_faster(_waiting, _busy)
    assert sodium.is_faster(disturbed, _busy)
    assert not sodium.is_faster(_busy, _waiting)


@pytest.mark.usefixtures("wins")
def test_a_hash_behind_a_key_is_the_same_in_all_threads() -> None:
    key, parts = os.urandom(128), [os.urandom(size) for size in SIZES]
    found = sodium.loaded()
    assert found is not None
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(found.behind(key), parts * 20))
    assert made == [usual(key + part) for part in parts] * 20
