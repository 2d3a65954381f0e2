"""What all kinds of jobs have, and those that take a lock."""

from __future__ import annotations

from dataclasses import dataclass, field

from borgpull.jobs.parts import Route
from borgpull.places import Places

LOCK_WAIT = 300


@dataclass(frozen=True, kw_only=True)
class Job:
    """One thing to do, for any launcher: the fields of all kinds. Holds no secret."""

    verb: str  # a row of VERBS
    client: str = ""
    places: Places = field(default_factory=Places)

    def reaches(self) -> Route | None:
        """The way to the machine that it talks to by ssh; None if there is none."""
        return None


@dataclass(frozen=True, kw_only=True)
class Locking(Job):
    """A job that takes the lock of a client's repository."""

    lock_wait: int = LOCK_WAIT  # seconds
