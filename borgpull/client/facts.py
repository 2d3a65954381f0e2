"""What a client is, by its answer to our scripts: lines `borgpull-WORD TEXT`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from borgpull.client import room
from borgpull.client.room import Refused

# The number of a path in the order of our question.
_NUMBER = re.compile(r"[1-9][0-9]{0,5}")
# The folders that a client may answer: the name is used in commands that the client runs.
_FOLDER = re.compile(r"/[A-Za-z0-9._/+-]{1,80}/borgpull-[0-9a-f]{16}")
_BORG = re.compile(r"borg(?:\.exe)? (\d{1,4})\.(\d{1,4})\.(\d{1,4})\S* (/.+)")
_SECONDS = re.compile(r"[0-9]{1,12}")
# A forced command (`authorized.py`) answers this, and its borg, to input that it does not know.
FORCED = "borgpull-forced"
_NO_PATHS: Mapping[int, str] = MappingProxyType({})


class Facts(NamedTuple):
    """What the client answered."""

    user: str = ""
    machine: str = ""  # "Linux x86_64"
    release: str = ""  # of its kernel
    view: str = ""  # what decides which attributes a process of ours sees there
    has: frozenset[str] = frozenset()
    ssh: str = ""  # what its own ssh says of its version
    connection: str = ""  # its SSH_CONNECTION: our address first
    borg: tuple[int, int, int] | None = None  # the version of its own borg
    borg_path: str = ""
    # Paths by their numbers from 1. `missing`: not there, with the client's reason. `links`:
    # symlinks, and where they lead. `plain`: no folders. `empty`: folders with nothing in them that
    # borg saves ("sockets" if there are some).
    missing: Mapping[int, str] = _NO_PATHS
    links: Mapping[int, str] = _NO_PATHS
    plain: Mapping[int, str] = _NO_PATHS
    empty: Mapping[int, str] = _NO_PATHS
    folder: str = ""
    bare: bool = False  # `folder` cannot hold our programs: no room, or they cannot run
    refused: tuple[Refused, ...] = ()  # the folders that were tried before
    cache: bool = False
    runtime: str = ""  # the hash of the MANIFEST of a complete runtime that is there
    mounts: bytes = b""
    aes: bool | None = None  # does its processor know AES?
    skew: float | None = None  # seconds that its clock is ahead of ours; None if not known
    time: int | None = None  # Unix time by its clock
    passed: int | None = None  # a time that its clock had passed, where `time` is not known
    knows: frozenset[str] = frozenset()  # what the forced command can beside create, list, rename
    # Of a key for `stream` that is limited to paths; is the helper in its line the one of here?
    limited: tuple[str, ...] | None = None
    same: bool = True
    begins: bool = False  # does the helper list already, by the plan of the question?
    forced: bool = False
    forced_paths: tuple[str, ...] = ()


def read(answer: bytes) -> Facts:
    """The client's answer; lines that are not ours (a profile's greeting) are passed over."""
    head, _, mounts = answer.partition(b"\nborgpull-mounts \n")
    found: dict[str, list[str]] = {}
    for line in head.decode(errors="surrogateescape").splitlines():
        word, _, text = line.partition(" ")
        if word.startswith("borgpull-"):
            found.setdefault(word.removeprefix("borgpull-"), []).append(text)
    one = {word: texts[-1] for word, texts in found.items()}
    borg = _BORG.fullmatch(one.get("borg", ""))
    folder = one.get("folder", "")
    return Facts(
        user=one.get("user", ""),
        machine=one.get("machine", ""),
        has=frozenset(found.get("has", ())),
        ssh=one.get("ssh", ""),
        connection=one.get("connection", ""),
        time=int(one["time"]) if _SECONDS.fullmatch(one.get("time", "")) else None,
        aes={"yes": True, "no": False}.get(one.get("aes", "")),
        knows=frozenset(found.get("knows", ())),
        borg=(int(borg[1]), int(borg[2]), int(borg[3])) if borg else None,
        borg_path=borg[4] if borg else "",
        missing=_numbered(found.get("missing", ())),
        links=_numbered(found.get("link", ())),
        plain=_numbered(found.get("plain", ())),
        empty=_numbered(found.get("empty", ())),
        folder=folder if _FOLDER.fullmatch(folder) else "",
        bare="bare" in one,
        refused=room.read(found.get("refused", ())),
        cache="cache" in one,
        runtime=one.get("runtime", ""),
        mounts=mounts,
        forced="forced" in one,
        forced_paths=_words(one.get("forced", "")),
    )


def _numbered(texts: Sequence[str]) -> dict[int, str]:
    """The texts of lines `NUMBER TEXT`. Lines without the number of a path are left out."""
    parts = (text.partition(" ") for text in texts)
    return {int(number): text for number, _, text in parts if _NUMBER.fullmatch(number)}


def _words(text: str) -> tuple[str, ...]:
    """Split words quoted for a shell; returns none if a client answers something else."""
    try:
        return tuple(shlex.split(text))
    except ValueError:
        return ()


def clock_skew(there: int | None, asked: float, answered: float) -> float | None:
    """Seconds by which a clock was outside the span in which it was read; negative if behind."""
    if there is None:
        return None
    return min(there + 1 - asked, 0) or max(there - answered, 0)
