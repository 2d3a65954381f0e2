"""What is at the target before a restore: it may claim anything."""

from __future__ import annotations

import pytest

from borgpull.restores.before import ABSENT, FOLDER, THERE, Before
from borgpull.trees.item import Item


@pytest.mark.parametrize("number", [-(10**40), -1, 0, 10**40])
def test_any_size_and_time(number: int) -> None:
    before, found = Before(), Item("a", "-rw-r--r--", number, number, 0, 0)
    before.add(found)
    before.add(None)
    before.add(found._replace(mode="drwxr-xr-x"))
    assert [before.kind(index) for index in range(4)] == [THERE, ABSENT, FOLDER, ABSENT]
    assert before.same(0, found) is (abs(number) < 2)
    assert not before.same(0, found._replace(size=5)) and not before.same(1, found)
