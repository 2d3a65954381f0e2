"""What is at the target, asked in batches."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence

from borgpull.client import shell
from borgpull.errors import TargetNotUsable
from borgpull.process import Completed
from borgpull.restores.base import MAX_SURVEY, SURVEY_SECONDS, Site, Word
from borgpull.ssh.session import Session
from borgpull.trees.differences import Names
from borgpull.trees.folders import with_ways
from borgpull.trees.item import Item
from borgpull.trees.survey import Ground

# Items in one question: a survey takes some hundred bytes of memory for each.
BATCH = 20_000


def by_shell(session: Session, sh: Sequence[str]) -> Callable[[str, bytes], Completed]:
    """A survey's run on a target where `sh` is a shell; the script comes on standard input."""

    def run_survey(word: str, data: bytes) -> Completed:
        header = shell.line(shell.script("survey.sh"), word)
        return session.run(*sh, stdin=header + data, timeout=SURVEY_SECONDS, max_output=MAX_SURVEY)

    return run_survey


def look(site: Site, items: Iterable[Item], word: Word = "look") -> Ground:
    """The folder, and what is in the places of the items and of the folders above them.

    Raises TargetNotUsable if no survey comes back; ConnectionLost.
    """
    return site.survey(word, list(dict.fromkeys(with_ways(item.place for item in items))))


def owners(site: Site, items: Iterable[Item], ground: Ground, names: Names) -> None:
    """Add to `names` the names of owners with other numbers than in the archive.

    Each pair of numbers is asked for once. Raises ConnectionLost.
    """
    once: dict[tuple[int, int], str] = {}
    for item in items:
        found = ground.found.get(item.place)
        if found is None or (found.uid == item.uid and found.gid == item.gid):
            continue
        if (found.uid, found.gid) in names:
            continue
        if found.user is not None:
            names[found.uid, found.gid] = (found.user, found.group)
        else:
            once[found.uid, found.gid] = item.place
    if once:
        with contextlib.suppress(TargetNotUsable):  # then no name is known
            there = site.survey("owners", list(once.values())).found.values()
            names |= {(item.uid, item.gid): (item.user, item.group) for item in there}


def remove(site: Site, items: Iterable[Item]) -> None:
    """Remove files of the target, as far as that works. Raises ConnectionLost."""
    with contextlib.suppress(TargetNotUsable):
        site.survey("remove", [item.place for item in items])
