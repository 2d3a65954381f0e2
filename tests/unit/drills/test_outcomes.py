"""What a drill can come to: the gravest counts, and only a pass is green."""

from __future__ import annotations

import itertools

import pytest

from borgpull import errors
from borgpull.drills.outcomes import MEANINGS, gravest, of_error

ORDER = ["error", "differs", "could not verify", "outside limits", "pass"]


def test_the_gravest_counts() -> None:
    assert list(MEANINGS) == ORDER
    assert gravest([]) == "pass"
    for one, other in itertools.combinations(ORDER, 2):
        assert gravest([other, one, other]) == one  # type: ignore[list-item]


def test_only_a_pass_is_green_and_ends_with_0() -> None:
    for outcome, meaning in MEANINGS.items():
        good = outcome == "pass"
        assert (meaning.exit_code == 0) is good
        assert (meaning.colour == "green") is good
        assert (meaning.element == "") is good


@pytest.mark.parametrize(
    "error",
    [error for error in errors.all_errors() if error is not errors.Interrupted],  # of a signal
    ids=lambda error: error.__name__,
)
def test_no_error_is_a_pass(error: type[errors.BorgpullError]) -> None:
    of_the_backup = {
        *("ArchiveMissing", "ArchivesVanished", "LostData", "NotInArchive", "NotRestored"),
        *("RepositoryDamaged", "RepositoryTampered", "StrangeArchives"),
    }
    wanted = "differs" if error.__name__ in of_the_backup else "could not verify"
    wanted = "error" if error is errors.DrillFailed else wanted
    assert of_error(error("reason")) == wanted
