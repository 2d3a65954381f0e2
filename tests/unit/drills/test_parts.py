"""The parts of a sample: each file is in one, and they are equal."""

from __future__ import annotations

import random

import pytest

from borgpull.drills.parts import Parts
from borgpull.trees.item import Item

KEY = b"k" * 16


def item(path: str, size: int, links: str = "", mode: str = "-rw-r--r--") -> Item:
    return Item(path, mode, size, 0, 0, 0, links=links)


def many(number: int, seed: int = 1) -> list[Item]:
    """Sizes as in a real tree: mostly small, some large."""
    chance = random.Random(seed)
    return [item(f"d{n % 7}/f{n}", int(chance.paretovariate(1.5) * 500)) for n in range(number)]


def loads(items: list[Item], number: int) -> list[tuple[int, int]]:
    """Files and bytes of each part."""
    parts = Parts(items, number, KEY)
    found = [(0, 0)] * parts.number
    for one in items:
        files, size = found[parts.of(one)]
        found[parts.of(one)] = (files + 1, size + one.size)
    return found


@pytest.mark.parametrize("number", [1, 2, 7, 14, 30])
def test_parts_are_equal_in_files_and_bytes(number: int) -> None:
    items = many(20_000)
    found = loads(items, number)
    assert len(found) == number
    assert sum(files for files, _ in found) == len(items)
    files, size = len(items) / number, sum(one.size for one in items) / number
    largest = max(one.size for one in items)  # which nobody can divide
    for part in found:
        assert 0.8 * files < part[0] < 1.2 * files
        assert part[1] < 1.15 * size + (largest if number > 1 else 0)


def test_parts_of_small_files_are_equal_in_bytes() -> None:
    items = [item(f"f{number}", 1000 + number % 5000) for number in range(20_000)]
    size = sum(one.size for one in items) / 14
    assert all(0.9 * size < part[1] < 1.1 * size for part in loads(items, 14))


@pytest.mark.parametrize("files", [1, 2, 13, 14, 15, 29, 60, 225])
def test_no_part_is_empty(files: int) -> None:
    """A drill of an empty part could prove nothing, and would come again and again."""
    for seed in range(20):
        for items in (many(files, seed), [item(f"{seed}/{n}", n % 2) for n in range(files)]):
            found = loads(items, 14)
            assert len(found) == min(files, 14)
            assert all(part[0] for part in found)


def test_without_files_there_is_one_part() -> None:
    assert Parts([item("d", 0, mode="drwxr-xr-x")], 14, KEY).number == 1


def test_names_of_one_file_are_together() -> None:
    items = many(5000)
    later = [item(f"z/{one.path}", one.size, one.path) for one in items[::5]]
    first = [one._replace(links=one.path) if n % 5 == 0 else one for n, one in enumerate(items)]
    parts = Parts([*first, *later], 14, KEY)
    for one, other in zip(first[::5], later, strict=True):
        assert parts.of(one) == parts.of(other)


def test_parts_are_the_same_again_and_another_key_makes_others() -> None:
    items = many(5000)
    one, again = Parts(items, 14, KEY), Parts(items[::-1], 14, KEY)
    other = Parts(items, 14, b"another")
    assert [one.of(file) for file in items] == [again.of(file) for file in items]
    assert [one.of(file) for file in items] != [other.of(file) for file in items]


def test_a_new_file_moves_few_others() -> None:
    items = many(20_000)
    one, later = Parts(items, 14, KEY), Parts([*items, item("new", 400)], 14, KEY)
    assert sum(one.of(file) != later.of(file) for file in items) < 200
