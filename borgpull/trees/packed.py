"""Millions of rows in little memory: packed in blocks, and unpacked when they are read."""

from __future__ import annotations

import marshal
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, groupby, islice
from typing import Any, Generic, TypeVar

# Rows in a block. A larger block takes longer to unpack for one row.
BLOCK_ROWS = 500
LEVEL = 1  # of zlib: the fastest

T = TypeVar("T", bound=tuple[Any, ...])


class Packed(Generic[T]):
    """Rows of numbers and text, in their order. Rows are only added, and can be read many times."""

    def __init__(self, make: Callable[[Sequence[Any]], T]) -> None:
        """`make` makes a row from its fields."""
        self._make = make
        self._blocks: list[bytes] = []
        self._last: list[T] = []

    def add(self, row: T) -> None:
        self._last.append(row)
        if len(self._last) == BLOCK_ROWS:
            # By columns: similar values are neighbours, and compress better.
            columns = tuple(zip(*self._last, strict=True))
            self._blocks.append(zlib.compress(marshal.dumps(columns), LEVEL))
            self._last = []

    def __len__(self) -> int:
        return len(self._blocks) * BLOCK_ROWS + len(self._last)

    def __iter__(self) -> Iterator[T]:
        whole = chain.from_iterable(map(self._rows, self._blocks))
        return chain(whole, self._last)

    def __getitem__(self, index: int) -> T:
        """Slow: a whole block is unpacked for one row. `index` is not negative."""
        block, at = divmod(index, BLOCK_ROWS)
        if block < len(self._blocks):
            return next(islice(self._rows(self._blocks[block]), at, None))
        return self._last[index - len(self._blocks) * BLOCK_ROWS]

    def some(self, indices: Iterable[int]) -> Iterator[T]:
        """The rows with these ascending indices. Each block is unpacked only once."""
        for number, group in groupby(indices, key=lambda index: index // BLOCK_ROWS):
            whole = number < len(self._blocks)
            rows = list(self._rows(self._blocks[number])) if whole else self._last
            for index in group:
                yield rows[index % BLOCK_ROWS]

    def batches(self, size: int) -> Iterator[list[T]]:
        """All of them, up to `size` at a time."""
        rest = iter(self)
        while batch := list(islice(rest, size)):
            yield batch

    def _rows(self, block: bytes) -> Iterator[T]:
        columns = marshal.loads(zlib.decompress(block))  # noqa: S302 - of our own memory
        return map(self._make, zip(*columns, strict=True))
