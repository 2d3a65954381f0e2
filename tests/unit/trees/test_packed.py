"""Rows in little memory."""

from __future__ import annotations

from borgpull.trees.packed import BLOCK_ROWS, Packed


def test_some_of_the_rows() -> None:
    packed: Packed[tuple[int, str]] = Packed(tuple)
    rows = [(number, str(number)) for number in range(2 * BLOCK_ROWS + 3)]
    for row in rows:
        packed.add(row)
    last = len(rows) - 1
    for wanted in (
        [],
        [0],
        [0, 7, BLOCK_ROWS - 1, BLOCK_ROWS, last],
        [last - 1, last],
        range(last),
    ):
        assert list(packed.some(wanted)) == [rows[index] for index in wanted]
