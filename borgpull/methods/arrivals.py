"""Did names appear on the client during the run, or were they there before it?

A file that was moved into place keeps its mtime. Its ctime is new, but SFTP does not tell it. A
folder with a new ctime and an old mtime was moved, too, with all that is in it.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Sequence

from borgpull.client.shell import script
from borgpull.errors import NotVerified
from borgpull.jail.findings import Finding
from borgpull.process import CommandError, run
from borgpull.ssh.config import SshConfig
from borgpull.trees.folders import above

TIMEOUT = 900
AT_ONCE = 100  # paths for one stat(1)
MARK = "borgpull-times"  # comes after a profile's greeting; as in stat.sh

Times = tuple[int, int]
# Which of these (relative) paths are on the client? Raises ConnectionLost.
ThereAgain = Callable[[Sequence[str]], list[str]]
_NUMBER = re.compile(r"-?[0-9]{1,19}")


def judge_names(
    config: SshConfig, found: Sequence[Finding], counts: Finding, since: float
) -> tuple[list[str], list[str]]:
    """The paths missing from the archive, with reasons; and the paths that came too late.

    Raises NotVerified.
    """
    if counts["more"]:
        raise NotVerified(f"too much differs from the client to be looked at: {counts['more']}")
    lost = [told(item) for item in found if "absent" in item]
    came = [item["came"] for item in found if "came" in item]
    denied = [item["denied"] for item in found if "denied" in item]  # by SFTP: they may be gone
    if not counts["walked"]:
        deep = "SFTP cannot name all that may be in it"
        lost += [f"/{item['unnameable']} ({deep})" for item in found if "unnameable" in item]
    if counts["skew"] is not None and (came or denied):
        there = set(were_there(config, [*came, *denied], since))
        lost += [f"/{path}" for path in (*came, *denied) if path in there]
        came = [path for path in came if path not in there]
    return lost, came


def judge_gone(
    found: Sequence[Finding], named: Sequence[str], there_again: ThereAgain
) -> tuple[list[str], list[str]]:
    """Of the names that were gone when their turn came: what is lost, and what has vanished.

    A name that is there again was replaced: it is lost. So is a `named` path. Raises as
    `there_again`.
    """
    gone = list(dict.fromkeys(item["gone"] for item in found if "gone" in item))
    lost = {path.strip("/") for path in named} | set(there_again(gone) if gone else ())
    again = [f"/{path} (gone for a moment)" for path in gone if path in lost]
    return again, [path for path in gone if path not in lost]


def told(item: Finding) -> str:
    """An absent name, with the reason if one is known."""
    why = f" ({item['why']})" if "why" in item else ""
    return f"/{item['absent']}{why}" if item["absent"] else item["why"]


def were_there(config: SshConfig, paths: Sequence[str], since: float) -> list[str]:
    """The `paths` (relative to the root) that the client had before `since`, by its clock.

    A path counts as one of them if the client does not answer for it.
    """
    asked = list(dict.fromkeys(name for path in paths for name in (path, *above(path))))
    try:
        words = os.fsencode(script_for(asked))
        done = run(config.command("sh", "-s"), timeout=TIMEOUT, stdin=words, check=False)
    except CommandError:
        return list(paths)
    times = read(asked, done.stdout.decode(errors="replace"))
    return [path for path in paths if not is_new(path, times, since)]


def is_new(path: str, times: dict[str, Times | None], since: float) -> bool:
    """Has the path appeared since then? A path that is gone again counts as new."""
    if path not in times:
        return False
    own = times[path]
    if own is None or own[1] >= since:
        return True
    folders = [times.get(name) for name in above(path)]
    return any(item is not None and item[1] >= since > item[0] for item in folders)


def script_for(paths: Sequence[str]) -> str:
    groups = [paths[at : at + AT_ONCE] for at in range(0, len(paths), AT_ONCE)]
    words = (" ".join(shlex.quote(f"/{path}") for path in group) for group in groups)
    return script("stat.sh") + "".join(f"ask {group}\n" for group in words)


def read(paths: Sequence[str], answer: str) -> dict[str, Times | None]:
    """The times of the paths that the client knows; None for one that is gone."""
    lines = answer.partition(f"\n{MARK}\n")[2].splitlines()
    found: dict[str, Times | None] = {}
    for path, line in zip(paths, lines, strict=False):
        numbers = line.split()
        if line == "-":
            found[path] = None
        elif len(numbers) == 2 and all(_NUMBER.fullmatch(number) for number in numbers):
            found[path] = (int(numbers[0]), int(numbers[1]))
    return found
