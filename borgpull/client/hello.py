"""What the helper of `stream` says of its machine, taken apart; and what it is not to look at."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from errno import ENOENT, ENOTDIR
from typing import Any

from borgpull.client.facts import Facts, clock_skew
from borgpull.client.mounts import FALLBACK, Mounts
from borgpull.errors import HostileClient
from borgpull.ssh.config import has_aes
from borgpull.trees.folders import above, lies_in

GONE = (ENOENT, ENOTDIR)


def read(text: bytes, count: int, asked: float) -> tuple[Facts, tuple[str, ...]]:
    """Facts of the client, and which of FALLBACK are hollow. Raises HostileClient.

    It was asked for `count` paths and then for FALLBACK, at the time `asked`.
    """
    try:
        said = json.loads(text)
        paths = [_Path(item) for item in said["paths"]]
        if len(paths) != count + len(FALLBACK):
            raise ValueError("another number of paths")
        named = dict(enumerate(paths[:count], 1))
        cpu = str(said["cpu"])
        clock = int(said["time"]) if "time" in said else None  # SFTP tells none
        facts = Facts(
            user=str(int(said["uid"])) if "uid" in said else "",
            machine=str(said.get("machine", ""))[:100],
            release=str(said.get("release", ""))[:100],
            view=_view(said),
            missing={n: os.strerror(path.errno) for n, path in named.items() if path.errno},
            links={n: path.link for n, path in named.items() if path.link},
            plain={n: "" for n, path in named.items() if path.plain},
            empty={n: path.holds for n, path in named.items() if path.holds in ("", "sockets")},
            mounts=bytes.fromhex(said["mounts"]),
            aes=has_aes(cpu) if cpu else None,
            time=clock,
            passed=int(said["passed"]) if "passed" in said else None,
            skew=clock_skew(clock, asked, time.time()),
            same=bool(said.get("same", True)),
            limited=_limits(said),
            begins=said.get("begins") is True,
        )
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise HostileClient(f"the client's first word makes no sense: {error!r:.100}") from None
    usual = zip(FALLBACK, paths[count:], strict=True)
    return facts, tuple(name for name, path in usual if path.errno or path.link or path.holds == "")


def _view(said: dict[str, Any]) -> str:
    """Who looks, in which user namespace, and with which rights. Raises ValueError, TypeError.

    Linux hides some extended attributes from a process without rights (xattr(7), trusted.*).
    """
    if "view" not in said:
        return ""
    namespace, status = map(str, said["view"])
    rights = [line for line in status.splitlines() if line.startswith(("CapEff:", "Seccomp:"))]
    seen = [str(said.get("uid")), str(said.get("release")), namespace, *rights]
    return " ".join(" ".join(seen).split())[:500]


def there(text: bytes, count: int) -> list[bool]:
    """Which of `count` paths are there, or may be; all if the answer makes no sense."""
    try:
        paths = [_Path(item) for item in json.loads(text)["paths"]]
        found = [one.errno not in GONE and not one.socket for one in paths]  # borg saves no sockets
    except (ValueError, KeyError, TypeError, RecursionError):
        found = []
    return found if len(found) == count else [True] * count


def _limits(said: dict[str, Any]) -> tuple[str, ...] | None:
    """The paths to which the key is limited. Raises ValueError, TypeError."""
    if "limited" not in said:
        return None
    return tuple(os.fsdecode(bytes.fromhex(text)) for text in said["limited"])


SOCKET = 2  # what the readers say of one, in the place of 1


class _Path:
    """What the helper says of a path. Raises ValueError, TypeError, KeyError."""

    def __init__(self, said: dict[str, Any]) -> None:
        self.errno = int(said.get("errno", 0)) if isinstance(said, dict) else int("")
        self.link = os.fsdecode(bytes.fromhex(said.get("link", "")))
        self.plain = bool(said.get("plain"))
        self.socket = said.get("plain") == SOCKET
        self.holds = str(said.get("holds", "something"))


def bars(mounts: Mounts) -> dict[str, list[str | None]]:
    """What the helper leaves out in a folder: names; or, after a None, all but these names.

    A mount that is left out is an empty folder in the archive, or is missing. If disks below it are
    saved, the folders between are.
    """
    found: dict[str, list[str | None]] = {}
    missing = []
    for item in mounts.left_out:
        below = [disk for disk in mounts.disks if lies_in(disk, item.path)]
        for path, name in _steps(item.path, below):
            names = found.setdefault(path, [None])
            if name not in names:
                names.append(name)
        if not below and item.keep_folder:
            found[item.path] = [None]
        elif not below:
            missing.append(item.path)
    for path in missing:
        folder, _, name = path.rpartition("/")
        names = found.setdefault(folder or "/", [])
        if None not in names:
            names.append(name)
    return found


def _steps(mount: str, disks: list[str]) -> Iterator[tuple[str, str]]:
    """The folders from a mount down to disks below it, each with the next name on the way."""
    for disk in disks:
        for path in (disk, *above(disk)):
            if path == mount:
                break
            folder, _, name = path.rpartition("/")
            yield folder, name
