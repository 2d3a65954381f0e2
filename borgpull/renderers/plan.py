"""What is to run, and when: all that a renderer knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from borgpull.errors import UsageError
from borgpull.jobs import Job
from borgpull.launchers.needs import Needs, needs
from borgpull.launchers.options import Rung
from borgpull.places import Places
from borgpull.renderers.timetable import Timetable

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A job that another program starts, unattended. Raises UsageError for a wrong name."""

    name: str  # of the unit, the service, the CronJob
    words: tuple[str, ...]  # the command line in the container, without `borgpull`
    job: Job  # what these words mean there
    timetable: Timetable
    places: Places  # on the host that runs it; "" for a secret that there is not
    image: str = "borgpull"
    network: str | None = None
    rung: Rung = "userns"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UsageError(f"not a name: {self.name!r}", hint="letters, digits, '.', '_', '-'")

    @cached_property
    def needs(self) -> Needs:
        return needs(self.job, self.rung)


def sources(plan: Plan) -> Iterator[tuple[str, str, bool]]:
    """What the host that runs it brings into the container: source, target, read-only?"""
    for folder in plan.needs.folders:
        yield getattr(plan.places, folder.what), folder.target, folder.read_only
    for secret in plan.needs.secrets:
        source = getattr(plan.places, secret.what)
        if source:
            yield source, secret.target, True
