"""A list of jobs: a command line each, as after `borgpull`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

from borgpull.cli.options import Launch
from borgpull.cli.parsing import ClickException, usage_error
from borgpull.cli.planned import USUAL, read, when
from borgpull.cli.rendered import Timing
from borgpull.errors import BorgpullError, ConfigError, UsageError
from borgpull.jobs import Job
from borgpull.renderers.plan import Plan

# Blanks, and words of quoted parts and characters. A `#` is one of these if a word goes on with it.
# A quote that does not end takes the rest of the line: shlex tells of it.
_PART = r"""'[^']*(?:'|$)|"(?:\\.|[^"\\])*(?:"|\\?$)|\\(?:.|$)|[^ \t\r\n'"\\#]"""
_BEFORE_COMMENT = re.compile(rf"(?:[ \t\r\n]+|(?:{_PART})(?:{_PART}|#)*)*", re.DOTALL)


def plans(file: str, name_of: Callable[[Job], str], timing: Timing, launch: Launch) -> list[Plan]:
    """What is to run of a list, and when. Raises UsageError, and what `jobs` raises."""
    found = []
    for words, job in jobs(file):
        name = name_of(job)
        timetable = when(timing, name)
        found.append(
            Plan(
                name=name,
                words=tuple(words),
                job=job,
                timetable=timetable,
                places=USUAL,
                image=launch.image,
            )
        )
    if not found:
        raise UsageError(f"there is no job in {file}", hint="one line a job: pipe root@web1 /etc")
    return found


def jobs(name: str) -> Iterator[tuple[list[str], Job]]:
    """The words and the job of each line. Empty lines and comments are left out.

    Raises ConfigError, and what `read` raises, with the number of the line.
    """
    try:
        lines = Path(name).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {name}: {error}") from None
    for number, line in enumerate(lines, 1):
        try:
            words = split(line)
            if words:
                yield words, read(words)
        except BorgpullError as error:
            raise _at(error, f"{name}:{number}") from None
        except ClickException as error:
            raise _at(usage_error(error), f"{name}:{number}") from None


def split(line: str) -> list[str]:
    """The words of a line, as a shell splits it. Raises UsageError.

    A comment begins where a word could. For Python, a `#` within a word begins one, too.
    """
    try:
        return shlex.split(line[: _before_comment(line)])
    except ValueError as error:
        raise UsageError(f"not a command line: {error}") from None


def _at(error: BorgpullError, place: str) -> BorgpullError:
    error.message = f"{place}: {error.message}"
    return error


def _before_comment(line: str) -> int:
    found = _BEFORE_COMMENT.match(line)
    return found.end() if found else 0
