"""borg's files cache, taken apart by its bytes."""

from __future__ import annotations

import io

import pytest

from borgpull.borg.inside import filescache
from borgpull.borg.inside.filescache import Odd, entries

ID = b"\xda\x00\x20" + b"\x92" * 32  # looks like the beginning of an entry
NUMBERS = b"\x07" + b"\xce\0\0\x10\0" + b"\xcf" + b"\x17" * 8


def entry(number: int, ids: int, age: bytes = b"\x00") -> bytes:
    count = bytes((0x90 + ids,)) if ids < 16 else b"\xdc" + ids.to_bytes(2, "big")
    key = bytes((number,)) * 32
    return b"\x92\xda\x00\x20" + key + b"\x95" + age + NUMBERS + count + ID * ids


@pytest.mark.parametrize("piece", [1 << 20, 100, 37])
def test_entries_are_found_wherever_a_read_ends(
    piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filescache, "PIECE", piece)
    text = b"".join(entry(number, ids) for number, ids in enumerate((1, 0, 40, 2, 1, 15)))
    found = list(entries(io.BytesIO(text)))
    assert [key[0] for key, _, _ in found] == [0, 1, 2, 3, 4, 5]
    assert [rest.count(ID) for _, _, rest in found] == [1, 0, 40, 2, 1, 15]
    assert (
        b"".join(b"\x92\xda\x00\x20" + key + b"\x95" + age + rest for key, age, rest in found)
        == text
    )


@pytest.mark.parametrize(
    "text",
    [
        entry(1, 1) + b"\0",
        b"\0" + entry(1, 1),
        entry(1, 1) + b"\0" + entry(2, 1),
        entry(1, 1)[:-1],
        entry(1, 1, b"\x7f"),  # one more would take another byte
        entry(1, 1, b"\xcc\x80"),
    ],
)
def test_whatever_else_there_is_is_left_to_borg(text: bytes) -> None:
    with pytest.raises(Odd):
        list(entries(io.BytesIO(text)))


def test_an_empty_cache_has_no_entries() -> None:
    assert list(entries(io.BytesIO(b""))) == []
