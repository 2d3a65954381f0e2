"""What systemd's units have in common: the words of a command line, the timer, the names."""

from __future__ import annotations

import re
from collections.abc import Iterable

from borgpull.renderers.calendar import events
from borgpull.renderers.plan import Plan

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./$-]+")
# Beside the time that the job has to end: for the program that waits for it.
GRACE_SECONDS = 5


def word(text: str) -> str:
    """A word of a command line in a unit (systemd.service(5)): it means itself, whatever it is."""
    return quoted(text.replace("$", "$$"))


def quoted(text: str) -> str:
    """A word of any other list in a unit, where no variables are put in."""
    literal = text.replace("%", "%%")
    if _PLAIN.fullmatch(literal):
        return literal
    escaped = literal.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def lines(words: Iterable[str]) -> str:
    """Parts of one command line, each on a line of its own."""
    return " \\\n  ".join(words)


def container(plan: Plan) -> str:
    """The name of its container: docker starts no second one of that name."""
    return f"borgpull-{plan.name}"


def profile(plan: Plan) -> str:
    """The file of its seccomp profile, beside the units."""
    return f"{plan.name}-seccomp.json"


def description(plan: Plan) -> str:
    return f"borgpull {plan.words[0]} ({plan.name})"


def timer(plan: Plan) -> str:
    """A run that was missed, because the machine was off, is made up for when it is on again."""
    when = "\n".join(f"OnCalendar={event}" for event in events(plan.timetable))
    comment = "\n".join(f"# {line}" for line in plan.timetable.comment())
    return f"""\
{comment}
[Unit]
Description={description(plan)}, by a timetable

[Timer]
{when}
Persistent=true

[Install]
WantedBy=timers.target
"""
