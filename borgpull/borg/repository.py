"""A client's repository: is it there, make it, and its archives."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from borgpull.borg.command import Borg, literal, location
from borgpull.errors import (
    ArchiveNotMade,
    PassphraseMissing,
    RepositoryExists,
    RepositoryMissing,
)
from borgpull.process import passthrough
from borgpull.secrets import as_fd

UNVERIFIED = ".unverified-"


def exists(path: Path) -> bool:
    return (path / "config").is_file()


def require(path: Path, client: str) -> None:
    """Raises RepositoryMissing."""
    if not exists(path):
        raise RepositoryMissing(
            f"there is no repository for {client} in {path.parent}",
            hint=f"make it with `borgpull init {client}`, or with --init on the first run",
        )


def check_init(borg: Borg, encryption: str) -> None:
    """Check what can be checked before. Raises RepositoryExists, PassphraseMissing."""
    if exists(borg.repository):
        raise RepositoryExists(f"there is already a repository for {borg.client}")
    if (
        encryption != "none"
        and borg.passphrase is None
        and not encryption.startswith("authenticated")
    ):
        raise PassphraseMissing(
            f"a repository with encryption {encryption} needs a passphrase",
            hint="give --passphrase-file FILE, or --encryption none if you mean it",
        )


def init(borg: Borg, encryption: str) -> None:
    """`borg init`. Raises as `check_init`, and borg's errors."""
    check_init(borg, encryption)
    borg.run("init", "--encryption", encryption)


def delete(borg: Borg, name: str) -> None:
    """`borg delete` of one archive. Raises borg's errors."""
    borg.run("delete", location(name))


def forget(borg: Borg, name: str) -> None:
    """Take a name off the list, and leave what is stored. Raises borg's errors.

    A client can put the id of an archive into the list under a second name. `borg delete` of either
    name would remove the chunks of both; with --force twice, it removes the name only (borg 1.4.5,
    archiver.py, _delete_archives).
    """
    borg.run("delete", "--force", "--force", location(name))


def with_two_names(archives: Iterable[Mapping[str, Any]]) -> set[str]:
    """The ids of archives that are in the list more than once. borg never makes such a list."""
    return {borg_id for borg_id, n in Counter(item["id"] for item in archives).items() if n > 1}


def archives(borg: Borg) -> list[dict[str, Any]]:
    """The archives, oldest first, unverified ones among them; `time` has its offset."""
    found = list(borg.json("list", "--bypass-lock", "--consider-checkpoints")["archives"])
    for item in found:
        item["time"] = with_offset(item.get("time"))
    return found


def with_offset(time: Any) -> Any:
    """A time of our borgs with its offset, UTC. A value that is no time stays as it is.

    borg prints no offset. It prints in the zone of its environment, which is UTC here.
    """
    try:
        read = datetime.fromisoformat(time)
    except (TypeError, ValueError):
        return time
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).isoformat()


def opened(borg: Borg, name: str) -> dict[str, Any] | None:
    """The row of an archive, which borg has read and authenticated; None if the name is missing.

    Raises BorgFailed if borg cannot read it. `{end}` makes borg read the archive: no list has it.
    """
    pattern = re.sub(r"([*?\[])", r"[\1]", literal(name))
    words = ["--bypass-lock", "--consider-checkpoints", "--format", "{archive}{end}"]
    for item in borg.json("list", *words, "--glob-archives", pattern)["archives"]:
        if item["name"] == name:
            return {**item, "id": str(item["id"]), "time": with_offset(item.get("time"))}
    return None


def items(borg: Borg, archive: str) -> Iterator[dict[str, Any]]:
    """The items of an archive as `borg list --json-lines` prints them."""
    for item in borg.json_lines("list", "--bypass-lock", location(archive)):
        yield {**item, "mtime": with_offset(item.get("mtime"))}


def key_reminder(client: str, encryption: str) -> str:
    """The note after `init`: without the key or the passphrase there is no restore."""
    if encryption == "none":
        return "this repository is not encrypted: whoever reads its files reads the backups"
    return (
        "keep a copy of the repository's key, and its passphrase, somewhere else: "
        f"borgpull borg {client} -- key export :: -"
    )


def stock(borg: Borg, args: Sequence[str]) -> int:
    """Run stock borg with our standard output and error; returns its exit code."""
    with as_fd(borg.passphrase) as fd:
        env = borg.env(fd)
        return passthrough(["borg", *args], env=env, pass_fds=() if fd is None else (fd,))


def rename(borg: Borg, old: str, new: str) -> None:
    """`borg rename`. Raises borg's errors."""
    borg.run("rename", "--", location(old), literal(new))


def not_there(name: str) -> ArchiveNotMade:
    """The error if an archive that a client says it made is missing."""
    return ArchiveNotMade(
        f"the repository does not have the archive {name or '(no name)'} of the client"
    )


def may_count(name: str) -> bool:
    """Is the name neither one of our temporary names nor a checkpoint of borg?"""
    return UNVERIFIED not in name and ".checkpoint" not in name
