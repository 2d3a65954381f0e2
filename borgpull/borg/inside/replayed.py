"""A repository's index, kept in memory: stock borg reads a repository, and writes nothing.

borg commits by a segment, and only then writes index, hints and integrity. Whoever opens the
repository in between replays the new segments, and writes these files himself, without a lock if
he asked for none. After a killed run it is the same (borg 1.4.5, repository.py: check_transaction,
replay_segments, write_index). Two writers then share `hints.N.tmp`. If index or hints cannot be
read, borg even removes them, and all newer segments: those of a running backup (open_index,
prepare_txn, cleanup).

Here nothing of that runs. The index is borg's own, plus what the segments behind it say.
"""

from __future__ import annotations

import functools
import itertools
import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

Found = TypeVar("Found")
# A writer at work changes what was just listed. So there are further looks: a few at once, and more
# while somebody has borg's lock. He is about to write the index, or he was killed.
FEW = 3
PATIENCE_SECONDS, PAUSE_SECONDS = 2.0, 0.05


class Unsettled(Exception):
    """Index and segments do not fit each other, or not yet."""


def use(repository: Any) -> None:
    """Make borg's class of repositories read like that."""
    stock_open, stock_get = repository.open, repository.get

    def opened(self: Any, *args: Any, **options: Any) -> None:
        """borg looks at the latest segment, which may be of a dead run and go just now."""
        _again(self, lambda _patient: stock_open(self, *args, **options))

    def get_transaction_id(self: Any) -> int | None:
        last, index = _again(self, functools.partial(_look, self))
        self.replayed = last, index
        return last

    def open_index(self: Any, transaction_id: int | None, auto_recover: bool = True) -> Any:
        """borg always asks for the transaction before."""
        assert self.replayed[0] == transaction_id
        return self.replayed[1]

    def get(self: Any, id: bytes) -> Any:
        """A segment that is gone was compacted: its chunks are elsewhere."""
        return _again(self, lambda _patient: stock_get(self, id))

    repository.open, repository.get = opened, get
    repository.get_transaction_id, repository.open_index = get_transaction_id, open_index


def _again(repository: Any, look: Callable[[bool], Found]) -> Found:
    """Look until it is settled. The last look is not patient: it makes the best of what is there.

    Raises what that raises.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    for number in itertools.count():
        try:
            return look(True)
        except (FileNotFoundError, Unsettled):
            over = time.monotonic() > until or not _is_written(repository)
            if number >= FEW and over:
                break
        _forget(repository)
        time.sleep(PAUSE_SECONDS)
    _forget(repository)
    return look(False)


def _forget(repository: Any) -> None:
    """A segment without a commit may be another file by now."""
    repository.index = None
    if repository.io is not None:
        repository.io.fds.clear()


def _is_written(repository: Any) -> bool:
    """Does a borg have the lock?"""
    return os.path.lexists(os.path.join(repository.path, "lock.exclusive"))


def _look(repository: Any, patient: bool) -> tuple[int | None, Any]:
    """The last commit, and the index as of then.

    Raises Unsettled if it is patient; FileNotFoundError; CheckNeeded; IntegrityError for a segment.
    """
    from borg.hashindex import NSIndex  # type: ignore[import-not-found]

    # In this order: a commit comes before its index.
    base = repository.get_index_transaction_id()
    last = repository.io.get_segments_transaction_id()
    fits = base is not None and last is not None and base <= last
    if patient and not (fits and (base == last or not _is_written(repository))):
        raise Unsettled
    if last is None:
        if base is not None:  # as borg: nothing says what is committed
            raise repository.CheckNeeded(repository.path)
        return None, NSIndex()
    index = _index(repository, base, patient) if fits else None
    if index is None:
        base, index = -1, NSIndex()
    _replay(repository, index, base, last)
    return last, index


def _index(repository: Any, number: int, patient: bool) -> Any:
    """The index that borg has written; None if it cannot be read.

    Raises FileNotFoundError; Unsettled if it is patient.
    """
    from borg.crypto.file_integrity import (  # type: ignore[import-not-found]
        IntegrityCheckedFile,
    )
    from borg.hashindex import NSIndex
    from borg.helpers import IntegrityError, msgpack  # type: ignore[import-not-found]

    path = os.path.join(repository.path, f"index.{number}")
    damaged = (IntegrityError, msgpack.UnpackException, OSError, ValueError, LookupError)
    try:
        data = repository._read_integrity(number, b"index")
        with IntegrityCheckedFile(path, write=False, integrity_data=data) as file:
            return NSIndex.read(file)
    except FileNotFoundError:
        raise
    except (*damaged, AttributeError, TypeError):
        if patient:
            raise Unsettled from None
        return None


def _replay(repository: Any, index: Any, base: int, last: int) -> None:
    """Add what the segments after `base` say, up to `last`. borg counts free space besides."""
    from borg.repository import (  # type: ignore[import-not-found]
        TAG_DELETE,
        TAG_PUT,
    )

    if base == last:
        return
    for segment, _ in repository.io.segment_iterator(base + 1):
        if segment > last:
            break
        for tag, key, offset, _size in repository.io.iter_objects(segment):
            if tag == TAG_PUT:
                index[key] = segment, offset
            elif tag == TAG_DELETE:
                index.pop(key, None)
