"""What is to run, and when: all that a renderer knows."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from borgpull.errors import UsageError
from borgpull.jobs import Drill, DrillCheck, Job
from borgpull.launchers.needs import Needs, needs
from borgpull.launchers.options import Rung
from borgpull.places import Places, certificate_of
from borgpull.renderers.timetable import Timetable

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
# Neither is an option of the program that gets it, nor has it anything to quote.
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*")
_NETWORK = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*")
_NO_NETWORK = (None, "none")
# Where a drill's container has the folder of its reports, and files of checks.
REPORTS, CHECKS = "/report", "/run/checks"
# Control characters, what is no text in UTF-8, and what ends a line somewhere.
_NOT_IN_A_LINE = {"Cc", "Cs", "Cn", "Co", "Zl", "Zp"}


class Source(NamedTuple):
    """What the host that runs a job brings into its container."""

    # An absolute path of that host, or the name of a volume; "" for one that goes with the
    # container.
    source: str
    target: str
    read_only: bool

    @property
    def bound(self) -> bool:
        """Is it a path, and not a volume?"""
        return self.source.startswith("/")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A job that another program starts, unattended. Raises UsageError for what it cannot say."""

    name: str  # of the unit, the service, the CronJob
    words: tuple[str, ...]  # the command line in the container, without `borgpull`
    job: Job  # what these words mean there; a drill's scratch is that of the host that runs it
    timetable: Timetable
    places: Places  # on the host that runs it; "" for a secret that there is not
    # Certificates on that host, by the secret that each belongs to: a renderer cannot see there
    # whether one lies beside a key.
    certificates: Mapping[str, str] = field(default_factory=dict)
    reports: str = ""  # on that host, of a drill; "" if nobody wants any
    checks: tuple[str, ...] = ()  # files on that host, of a drill
    image: str = "borgpull"
    network: str | None = None
    rung: Rung = "userns"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UsageError(f"not a name: {self.name!r}", hint="letters, digits, '.', '_', '-'")
        if not _IMAGE.fullmatch(self.image):
            raise UsageError(f"not the name of an image: {self.image!r}")
        if self.network is not None and not _NETWORK.fullmatch(self.network):
            raise UsageError(f"not the name of a network: {self.network!r}")
        if isinstance(self.job, Drill) and not self.job.network and self.network not in _NO_NETWORK:
            raise UsageError("a drill has no network", hint="add --allow-network after the --")
        texts = [*self.words, *vars(self.places).values(), *self.certificates.values()]
        for text in (*texts, self.reports, *self.checks):
            if {unicodedata.category(char) for char in text} & _NOT_IN_A_LINE:
                raise UsageError(f"not for a line of a file: {text!r}", hint="use text in UTF-8")

    @cached_property
    def needs(self) -> Needs:
        return needs(self.job, self.rung)


def sources(plan: Plan) -> Iterator[Source]:
    """All that the job may find in its container. Raises UsageError for a relative path."""
    for folder in plan.needs.folders:
        place = getattr(plan.places, folder.what)
        yield Source(_place(place, f"--{folder.what}"), folder.target, folder.read_only)
    scratch = plan.needs.scratch
    if scratch and not scratch.size:
        source = scratch.source and _place(scratch.source, "--scratch")
        yield Source(source, scratch.target, False)
    if plan.reports:
        yield Source(_place(plan.reports, "--report"), REPORTS, False)
    for number, file in enumerate(plan.checks):
        yield Source(_file(file), check_file(number), True)
    for secret in plan.needs.secrets:
        place = getattr(plan.places, secret.what)
        if place:
            yield Source(_file(place), secret.target, True)
        certificate = plan.certificates.get(secret.what) if secret.certificate else None
        if certificate:
            yield Source(_file(certificate), certificate_of(secret.target), True)


def require_checks_run(job: Job) -> None:
    """Of a job that gets checks. Raises UsageError for a drill that would run none of them."""
    if not isinstance(job, Drill):
        return
    replace(job, checks=(DrillCheck(name="any", run="true"),))  # a job refuses some ways itself
    if job.sample is not None:
        raise UsageError(
            f"a drill with --sample runs no check: this one of {job.client} would never pass",
            hint="leave --sample out, or the checks; or render two drills",
        )


def check_file(number: int) -> str:
    """Where the container has a file of checks."""
    return f"{CHECKS}/{number}.yaml"


def _place(text: str, option: str) -> str:
    """An absolute path, or the name of a volume."""
    if _NAME.fullmatch(text):
        return text
    if text.startswith("/"):
        return _file(text)
    raise UsageError(
        f"neither an absolute path nor a volume's name: {text!r}",
        hint=f"{option} is on the machine that runs the job, whatever the folder there",
    )


def _file(text: str) -> str:
    """systemd would not wait for the mounts of a path with `..`, which it leaves out."""
    if ".." in text.split("/"):
        raise UsageError(f"not a path without '..': {text!r}", hint="write where it is in full")
    if text.startswith("/"):
        return text
    raise UsageError(
        f"not an absolute path: {text!r}", hint="it is on the machine that runs the job"
    )
