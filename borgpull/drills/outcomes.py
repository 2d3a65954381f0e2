"""What a drill can come to: one table, with the exit code and how each report says it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from borgpull.errors import (
    ArchiveMissing,
    ArchivesVanished,
    DrillFailed,
    LostData,
    NotInArchive,
    NotProved,
    NotRestored,
    OutsideLimits,
    RepositoryDamaged,
    RepositoryTampered,
    RestoreDiffers,
    StrangeArchives,
    Told,
)
from borgpull.outputs.drills import Outcome


class Meaning(NamedTuple):
    """A row: the error that it ends with, if it is no pass, and how reports show it."""

    error: type[RestoreDiffers | NotProved | OutsideLimits | DrillFailed] | None
    element: Literal["", "failure", "error"]  # of JUnit's XML
    type: str  # of that element
    colour: Literal["green", "red", "yellow", "orange"]
    word: str  # on a screen

    @property
    def exit_code(self) -> int:
        return 0 if self.error is None else self.error.exit_code


# The gravest first.
MEANINGS: dict[Outcome, Meaning] = {
    "error": Meaning(DrillFailed, "error", "internal", "red", "ERROR"),
    "differs": Meaning(RestoreDiffers, "failure", "differs", "red", "DIFFERS"),
    "could not verify": Meaning(
        NotProved, "error", "could-not-verify", "orange", "COULD NOT VERIFY"
    ),
    "outside limits": Meaning(OutsideLimits, "failure", "limit", "yellow", "OUTSIDE LIMITS"),
    "pass": Meaning(None, "", "", "green", "PASS"),
}
# These say that the backup itself is not what it should be. Of all other errors nobody knows.
_OF_THE_BACKUP = (
    ArchiveMissing,
    ArchivesVanished,
    LostData,
    NotInArchive,
    NotRestored,
    RepositoryDamaged,
    RepositoryTampered,
    StrangeArchives,
)


def gravest(outcomes: Iterable[Outcome]) -> Outcome:
    """`pass` if there is none."""
    order = list(MEANINGS)
    return min(outcomes, key=order.index, default="pass")


def of_error(error: Told) -> Outcome:
    """What it means for a drill that it could not go on."""
    if isinstance(error, DrillFailed):
        return "error"
    return "differs" if isinstance(error, _OF_THE_BACKUP) else "could not verify"
