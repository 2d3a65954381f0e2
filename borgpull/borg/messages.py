"""borg's `--log-json` lines and modern exit codes (borg docs, internals/frontends), read for us."""

from __future__ import annotations

import errno
import json
import re
from dataclasses import dataclass
from typing import Any

from borgpull import errors
from borgpull.errors import BorgpullError

# Warnings of `borg create` by msgid (the class in borg/helpers/errors.py, 1.4.5).
CHANGED = "FileChangedWarning"
VANISHED = "BackupFileNotFoundError"
PERMISSION = "BackupPermissionError"
# An excluded or misspelt pattern is not lost data: the user's pattern matched nothing.
HARMLESS = {"IncludePatternNeverMatchedWarning"}

# What a dead connection looks like through FUSE (facts, section 0.3).
DEAD_LINK = {
    errno.EIO,
    errno.ENOTCONN,
    errno.ECONNABORTED,
    errno.ETIMEDOUT,
    errno.ESTALE,
    errno.ENXIO,
    errno.ENODEV,
}

_FILE_WARNING = re.compile(
    r"(?P<path>.*?): (?:(?P<op>[a-z0-9_]+): )?\[Errno (?P<errno>[0-9]{1,4})\] (?P<text>[^:]*)",
    re.DOTALL,
)


_CHANGED_TEXT = ": file changed while we backed it up"
_BY_ERRNO = {
    errno.ENOENT: VANISHED,
    errno.EPERM: PERMISSION,
    errno.EACCES: PERMISSION,
    errno.EBUSY: PERMISSION,
}


@dataclass(frozen=True)
class FileWarning:
    """One file that borg could not save as it should: relative path as borg has it."""

    kind: str  # borg's msgid
    path: str
    errno: int
    text: str


def parse(line: bytes) -> dict[str, Any] | None:
    """One line of borg's standard error as JSON, None for plain text."""
    if not line.startswith(b"{"):
        return None
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) and "type" in data else None


def file_warning(message: dict[str, Any]) -> FileWarning | None:
    """The file that a warning of `borg create` is about; None if it is about none.

    borg before 1.4 (a client's own may be that old) gives no msgid: its text tells the same.
    """
    if message.get("levelname") != "WARNING":
        return None
    kind, text = str(message.get("msgid") or ""), str(message.get("message", ""))
    if kind in HARMLESS:
        return None
    if kind == CHANGED or (not kind and _CHANGED_TEXT in text):
        path = text.partition(_CHANGED_TEXT)[0]
        return FileWarning(CHANGED, path, 0, "changed while it was read")
    if match := _FILE_WARNING.match(text):
        number = int(match["errno"])
        kind = kind or _BY_ERRNO.get(number, "BackupOSError")
        return FileWarning(kind, match["path"], number, match["text"].strip())
    if not kind:
        return None
    path, _, rest = text.partition(": ")
    return FileWarning(kind, path, 0, rest)


# Exit codes of borg with BORG_EXIT_CODES=modern (borg docs, internals/frontends; facts, section 3).
_BY_CODE: dict[int, type[BorgpullError]] = {
    10: errors.RepositoryExists,
    13: errors.RepositoryMissing,
    14: errors.DiskFull,
    15: errors.RepositoryMissing,  # InvalidRepository: a folder, but not borg's
    18: errors.RepositoryMissing,
    19: errors.RepositoryExists,
    20: errors.DiskFull,
    21: errors.RepositoryNotWritable,
    30: errors.ArchiveExists,
    31: errors.ArchiveMissing,
    50: errors.PassphraseMissing,
    52: errors.PassphraseWrong,
    53: errors.PassphraseMissing,
    70: errors.RepositoryLocked,
    71: errors.RepositoryLocked,
    72: errors.RepositoryNotWritable,  # LockFailed: the lock's folder could not be made
    73: errors.RepositoryLocked,
}

# The facts of the system come after a traceback, first those of `borg serve`.
_SYSTEM = re.compile(r"^(?:Borg server: )?Platform: ", re.MULTILINE)
_NO_SPACE = re.compile(r"No space left on device|[Qq]uota exceeded|Errno 28\]|Errno 122\]")
_NOT_WRITABLE = re.compile(r"Errno (?:13|30|1)\] .*|Permission denied|Read-only file system")


def no_room(text: str) -> int:
    """ENOSPC where a program's message is about it, else 0."""
    return errno.ENOSPC if _NO_SPACE.search(text) else 0


def from_exit(returncode: int, text: str, client: str) -> BorgpullError:
    """The error behind a failed borg command; `text` is what it logged, plain."""
    if _NO_SPACE.search(text):
        return errors.DiskFull(f"no space left for the repository or the cache of {client}")
    cls = _BY_CODE.get(returncode)
    if returncode == 2 and _NOT_WRITABLE.search(text):
        cls = errors.RepositoryNotWritable
    # A traceback of borg's ends with the exception.
    said = _SYSTEM.split(text, maxsplit=1)[0]
    last = next(
        (line.strip() for line in reversed(said.splitlines()) if line.strip()), "no message"
    )
    if cls is None:
        reason = f"signal {-returncode}" if returncode < 0 else f"exit code {returncode}"
        return errors.BorgFailed(f"borg failed for {client} ({reason}): {last}")
    if cls is errors.PassphraseWrong:
        return cls(f"the passphrase for the repository of {client} is wrong")
    if cls is errors.PassphraseMissing:
        return cls(f"the repository of {client} needs a passphrase, and none was given")
    return cls(f"{cls.summary} ({client}): {last}")
