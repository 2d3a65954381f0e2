"""The paths of a job, and what the client's answer to `setup` says of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from errno import EACCES, ENOENT, ENOTDIR

from borgpull import events
from borgpull.addresses import Target
from borgpull.client.facts import Facts
from borgpull.errors import PathMissing
from borgpull.events import Emit
from borgpull.jobs import Backup
from borgpull.methods import binds

MAX_REASON = 100


def require_there(target: Target, paths: Sequence[str], facts: Facts) -> None:
    """Raises PathMissing if the client says that a path cannot be saved."""
    numbered = dict(enumerate(paths, 1))
    known = sorted(facts.missing.keys() & numbered)
    unseen = {numbered[number]: reason(facts.missing[number]) for number in known}
    # borg itself reports a path that it may not read, unless that is allowed.
    require_seen(target, {path: why for path, why in unseen.items() if why != os.strerror(EACCES)})
    for number in sorted(facts.links.keys() & numbered):
        raise symlink(target, numbered[number], facts.links[number])


def require_seen(target: Target, unseen: dict[str, str]) -> None:
    """Raises PathMissing for the paths that the client cannot stat(2), each with its error."""
    if unseen:
        told = ", ".join(f"{path} ({why})" for path, why in unseen.items())
        gone = all(why in map(os.strerror, (ENOENT, ENOTDIR)) for why in unseen.values())
        hint = "a mount there may be dead: mount it anew, or leave the path out"
        raise PathMissing(f"{target} does not show {told}", hint=None if gone else hint)


def reason(said: str) -> str:
    """The reason in a line of ls: `ls: cannot access 'PATH': REASON`."""
    return said.rpartition(": ")[2][:MAX_REASON] or "no such path"


def symlink(target: Target, path: str, link: str) -> PathMissing:
    """The error for a named path that is a symlink: borg would save nothing but the link."""
    return PathMissing(
        f"{path} is a symlink on {target}",
        hint=f"it points at {link}: name that" if link else "name what it points at",
    )


def roots(job: Backup, facts: Facts) -> list[str]:
    """What borg is to walk: no path twice, and files last. Raises NotSaved.

    After a file was named, borg leaves out all other names of it. After a folder was named, borg
    leaves out all other places of it.
    """
    plain = {path for number, path in enumerate(job.paths, 1) if number in facts.plain}
    return sorted(binds.ordered(facts.mounts, job.roots), key=lambda path: path in plain)


def empty(job: Backup, facts: Facts, emit: Emit) -> tuple[str, ...]:
    """The named folders with nothing in them that borg saves; a warning for those with sockets."""
    # A forced command numbers its own paths. They are the job's paths, in any order.
    numbered = dict(enumerate(facts.forced_paths or job.paths, 1))
    found = {
        path: facts.empty[number] for number, path in numbered.items() if number in facts.empty
    }
    for path, what in found.items():
        if what == "sockets":
            events.warning(emit, "only sockets are in it, which are not saved", path=path)
    return tuple(found)
