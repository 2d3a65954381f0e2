"""What waits, and what hard links refer to."""

from __future__ import annotations

from itertools import count

import pytest

from borgpull.borg.inside import slots
from borgpull.borg.inside.extras import NO_EXTRA
from borgpull.borg.inside.slots import FirstNames, Queue, Slot
from borgpull.borg.inside.wire import BadFrame, Stat

FILE = Stat(0o100644, 0, 0, 2, 1, 9, 5, 10**18, 10**18, 0)


def slot(number: int, path: str = "a", st: Stat = FILE) -> Slot:
    return Slot(number, path, st, NO_EXTRA, 0)


def test_a_further_name_refers_to_the_first_one_until_that_fails() -> None:
    links, first, second, third = FirstNames(), slot(1, "a"), slot(2, "b"), slot(3, "c")
    assert links.of(first) is None
    links.claim(first)
    links.claim(second)
    assert (links.of(second), links.leads(first), links.leads(second)) == ("a", True, False)
    links.free(second)
    assert links.of(second) == "a"
    links.free(first)
    assert links.of(second) is None
    links.claim(second)
    assert links.of(third) == "b"


def test_no_name_refers_to_a_later_one_or_to_another_file_of_that_inode() -> None:
    links = FirstNames()
    links.claim(slot(5))
    assert links.of(slot(4)) is None
    assert links.of(slot(6, st=FILE._replace(st_size=6))) is None
    assert links.of(slot(6, st=FILE._replace(st_mtime_ns=0))) is None
    assert links.of(slot(6, st=FILE._replace(st_dev=2))) is None
    assert links.of(slot(6, st=FILE._replace(st_ctime_ns=0))) == "a"


def test_what_waits_has_bounds_in_number_and_bytes() -> None:
    queue = Queue()
    for number in range(slots.MAX_QUEUE):
        queue.add(slot(number))
    assert queue.pop().number == 0
    queue.add(slot(0))
    with pytest.raises(BadFrame):
        queue.add(slot(0))
    queue, first = Queue(), slot(0)
    queue.add(first)
    for _ in range(3):  # what has left no longer counts
        queue.grow(first, slots.MAX_QUEUED - 1)
        queue.pop()
        first = slot(0)
        queue.add(first)
    with pytest.raises(BadFrame):
        queue.grow(first, slots.MAX_QUEUED)


def test_what_comes_at_once_has_the_same_bounds() -> None:
    queue, first = Queue(), slot(0, "a" * (slots.MAX_QUEUED - 20))
    queue.extend([first, *(slot(number) for number in range(10))])
    assert not queue.took(slot(0))  # it is not the head
    assert queue.took(first)
    assert queue.head.number == 0
    queue.extend([slot(number, "a" * 800) for number in range(slots.MAX_QUEUE - 10)])
    with pytest.raises(BadFrame):
        queue.extend([slot(0)])
    queue = Queue()
    with pytest.raises(BadFrame):
        queue.extend([slot(0, "a" * slots.MAX_QUEUED), slot(1)])


def test_first_names_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "MAX_LINKED", 100 * slots.COST)
    links = FirstNames()
    with pytest.raises(BadFrame):
        for number in count():
            assert number < 101
            links.claim(slot(number, st=FILE._replace(st_ino=number)))
