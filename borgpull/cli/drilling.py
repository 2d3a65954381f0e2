"""The options of a drill, in a group, and what their values mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar

from borgpull.cli.groups import Group, one_of
from borgpull.cli.options import option
from borgpull.cli.retention import seconds
from borgpull.errors import UsageError
from borgpull.ways import DRILLED

_SAMPLE = re.compile(r"1/([1-9][0-9]{0,3})")
_SIZE = re.compile(r"([1-9][0-9]{0,9})([KMGT]?)", re.IGNORECASE)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_MINUTES = re.compile(r"([1-9][0-9]{0,5})min")
_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)%?")


@dataclass(frozen=True, kw_only=True)
class Drilling(Group):
    title: ClassVar[str] = "A drill"

    archive: Annotated[
        str,
        option(
            "--archive",
            text="latest, oldest, random:30d (one of these days), or a name.",
            variable="DRILL_ARCHIVE",
        ),
    ] = "latest"
    sample: Annotated[
        str | None,
        option("--sample", text="Part of the files, another one each time, say 1/14."),
    ] = None
    full: Annotated[bool, option("--full", text="All files, whatever --sample says.")] = False
    how: Annotated[
        str,
        option(
            "--how",
            **one_of(DRILLED),
            text="Way to restore, as of `restore`, to an sshd in here.",
            variable="DRILL_HOW",
        ),
    ] = "local"
    check: Annotated[
        list[str] | None,
        option("--check", text="File of checks (YAML), or NAME=COMMAND; may be repeated."),
    ] = None
    max_age: Annotated[
        str | None, option("--max-age", text="Greatest age of the data, say 26h.", metavar="TIME")
    ] = None
    max_restore_time: Annotated[
        str | None,
        option("--max-restore-time", text="Longest restore, say 90min.", metavar="TIME"),
    ] = None
    max_unproved: Annotated[
        str,
        option("--max-unproved", text="Share that may be unproved: it changed meanwhile."),
    ] = "1%"
    report: Annotated[
        str | None, option("--report", text="Folder for the reports: JUnit, Markdown, HTML, JSON.")
    ] = None
    scratch: Annotated[
        str | None,
        option(
            "--scratch",
            text="Folder or volume to restore to, or tmpfs:SIZE; it is emptied afterwards.",
            show_default="a new volume",
        ),
    ] = None
    memory: Annotated[
        str | None, option("--memory", text="Most memory of the container, say 2G.", metavar="SIZE")
    ] = None
    demo: Annotated[
        bool,
        option("--demo", text="Drill a good and a spoilt backup, made for it."),
    ] = False
    allow_network: Annotated[
        bool, option("--allow-network", text="Drill even where there is a way out.")
    ] = False


def duration(text: str | None) -> int | None:
    """As `seconds`, and minutes: `90min`. Raises UsageError."""
    if text is not None and (found := _MINUTES.fullmatch(text)):
        return int(found[1]) * 60
    return seconds(text)


def parts(text: str | None) -> int | None:
    """Of --sample: 14 for `1/14`, None for all. Raises UsageError."""
    if text is None:
        return None
    found = _SAMPLE.fullmatch(text)
    if found is None:
        raise UsageError(f"--sample {text!r} is no share", hint="for instance 1/14")
    return None if found[1] == "1" else int(found[1])


def share(text: str) -> float:
    """`1%` is 0.01. Raises UsageError."""
    found = _SHARE.fullmatch(text)
    if found is None or float(found[1]) > 100:
        raise UsageError(f"--max-unproved {text!r} is no share", hint="for instance 1%")
    return float(found[1]) / 100


def size(text: str | None, name: str) -> int | None:
    """In bytes. Raises UsageError."""
    if text is None:
        return None
    found = _SIZE.fullmatch(text)
    if found is None:
        raise UsageError(f"{name} {text!r} is no size", hint="for instance 512M, 2G")
    return int(found[1]) * _UNITS[found[2].upper()]
