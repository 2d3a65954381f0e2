"""A restore that broke off says nothing of the backup, unless the backup is what broke it off."""

from __future__ import annotations

import pytest

from borgpull import errors
from borgpull.borg.extract import Extracted
from borgpull.ops import drilled
from borgpull.results import Failure


@pytest.mark.parametrize(
    "done",
    [
        Extracted(returncode=2, failure=errors.StorageFailed("the disk fails")),
        Extracted(returncode=2, failure=errors.DiskFull("no room")),
        Extracted(returncode=-9, failure=errors.BorgFailed("signal 9")),
    ],
    ids=lambda done: str(done.failure),
)
def test_what_breaks_a_restore_off_is_no_fault_of_the_backup(done: Extracted) -> None:
    with pytest.raises(errors.NotProved, match="broke off"):
        drilled.require_to_its_end(done)


@pytest.mark.parametrize(
    "done",
    [
        Extracted(),
        Extracted(returncode=1),
        Extracted(returncode=90, failure=errors.RepositoryDamaged("a chunk is missing")),
        Extracted(returncode=2, failure=errors.BorgFailed("ObjectNotFound")),
    ],
    ids=lambda done: str(done.failure),
)
def test_all_else_is_compared(done: Extracted) -> None:
    drilled.require_to_its_end(done)


def test_a_full_scratch_folder_is_no_fault_of_the_backup() -> None:
    with pytest.raises(errors.NotProved, match="broke off"):
        drilled.require_room(Failure.of(errors.TargetFull("no room")))
    drilled.require_room(Failure.of(errors.NotRestored("2 modes")))
    drilled.require_room(None)
