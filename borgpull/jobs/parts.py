"""What jobs are made of: how a machine is reached, and what is used there."""

from __future__ import annotations

import re
from dataclasses import dataclass

from borgpull.addresses import Target
from borgpull.errors import UsageError

# As borg has it (borg 1.4.5, helpers/parseformat.py, interval).
# The bounds of the numbers keep borg's arithmetic within the years that Python knows.
_WITHIN = re.compile(r"0*(?:[1-9][0-9]{0,4}[Hd]|[1-9][0-9]{0,3}w|[1-9][0-9]{0,2}[my])")


@dataclass(frozen=True, kw_only=True)
class Route:
    """How a machine is reached."""

    target: Target
    via: Target | None = None  # the machine to go through
    ssh_options: tuple[str, ...] = ()  # NAME=VALUE, as `ssh.options.check` has accepted them


@dataclass(frozen=True, kw_only=True)
class Access(Route):
    """How a machine is reached, and which programs are used there."""

    sudo: bool = False
    client_borg: str | None = None  # its path there; None: the client's own if suitable, else ours


@dataclass(frozen=True, kw_only=True)
class Skips:
    """What a backup leaves out by what the client has, by the rules of `borg create`.

    Raises UsageError for a tag that is no name.
    """

    caches: bool = False  # folders with a CACHEDIR.TAG of its standard's content
    tags: tuple[str, ...] = ()  # names: a folder that has one is left out
    keep_tags: bool = False  # are such a folder and its tags saved, and nothing else in it?
    one_file_system: bool = False

    def __post_init__(self) -> None:
        for tag in self.tags:
            if tag in ("", ".", "..") or "/" in tag or "\0" in tag:
                text = f"--exclude-if-present {tag!r}: not a name"
                raise UsageError(text, hint="a name in the folder, not a path")
        if self.keep_tags and not (self.caches or self.tags):
            text = "--keep-exclude-tags is for --exclude-caches and --exclude-if-present"
            raise UsageError(text, hint="give one of these, too")

    def reasons(self) -> list[str]:
        """Why a folder may be left out, as the engine calls it."""
        tags = bool(self.caches or self.tags)
        return ["tag"] * tags + ["mount"] * self.one_file_system


@dataclass(frozen=True, kw_only=True)
class Keep:
    """The rules by which a prune keeps archives, as in `borg prune`.

    A number says how many archives a rule keeps: -1 for all; 0 switches the rule off. Raises
    UsageError if no rule keeps anything, or if borg would refuse one.
    """

    within: str | None = None  # a number and a unit: H, d, w, m, y
    last: int | None = None
    minutely: int | None = None
    hourly: int | None = None
    daily: int | None = None
    weekly: int | None = None
    monthly: int | None = None
    yearly: int | None = None

    def __post_init__(self) -> None:
        if self.within is not None and not _WITHIN.fullmatch(self.within):
            raise UsageError(
                f"not a time to keep archives: {self.within!r}", hint="for instance 2d; H d w m y"
            )
        numbers = self.numbers()
        if any(number < -1 for number in numbers.values()):
            raise UsageError("less than none cannot be kept", hint="-1 keeps all")
        if self.within is None and not any(numbers.values()):
            raise UsageError(
                "nothing says what is to be kept", hint="give a --keep option, say --keep-daily 14"
            )

    def numbers(self) -> dict[str, int]:
        """How many archives each rule keeps, by its name in borg."""
        found = {
            "secondly": self.last,  # borg's name for it
            "minutely": self.minutely,
            "hourly": self.hourly,
            "daily": self.daily,
            "weekly": self.weekly,
            "monthly": self.monthly,
            "yearly": self.yearly,
        }
        return {rule: number for rule, number in found.items() if number is not None}


@dataclass(frozen=True, kw_only=True)
class DrillCheck:
    """A command of the user's that must succeed on the restored tree.

    Raises UsageError.
    """

    name: str
    run: str  # for `sh -c`
    user: str = "root"
    chroot: bool = True  # does it run with the restored tree as its root?
    image: str | None = None  # of a container of its own that it runs in; `chroot` is no matter
    timeout: int = 60  # seconds
    expect: int = 0  # the exit code
    output: str | None = None  # a regular expression that its output must have

    def __post_init__(self) -> None:
        if not self.name or not self.name.isprintable() or not self.run.strip():
            raise UsageError(f"a check needs a name and a command: {self.name!r}")
        if self.image is not None and not self.image.strip():
            raise UsageError(f"check {self.name!r}: an image without a name")
        if self.timeout < 1 or not 0 <= self.expect <= 255:
            raise UsageError(f"check {self.name!r}: a time of 1 s or more, a code from 0 to 255")
        try:
            re.compile(self.output or "")
        except re.error as error:
            raise UsageError(f"check {self.name!r}: not a pattern: {error}") from None
