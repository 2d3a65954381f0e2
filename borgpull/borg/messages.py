"""borg's `--log-json` lines and modern exit codes (borg docs, internals/frontends), read for us."""

from __future__ import annotations

import ast
import contextlib
import errno
import json
import os
import re
from typing import Any, NamedTuple

from borgpull import errors
from borgpull.errors import BorgpullError

# Warnings of `borg create` by msgid (the class in borg/helpers/errors.py, 1.4.5).
CHANGED = "FileChangedWarning"
VANISHED = "BackupFileNotFoundError"
PERMISSION = "BackupPermissionError"
# No data is lost if an excluded or misspelt pattern of the user matches nothing.
HARMLESS = {"IncludePatternNeverMatchedWarning"}

# The errors of a dead connection, as FUSE shows them (facts, section 0.3).
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


_UNKNOWN_TYPE = "Unknown file type: "
_CHANGED_TEXT = ": file changed while we backed it up"
_BY_ERRNO = {
    errno.ENOENT: VANISHED,
    errno.EPERM: PERMISSION,
    errno.EACCES: PERMISSION,
    errno.EBUSY: PERMISSION,
}


# The kind of an extended attribute that could not be read: the file itself is saved.
ATTRIBUTE = "Attribute"
# borg 1.1 to 1.4, xattr.py, get_all: borg names an open file by its number only, and other files as
# Python writes bytes.
_ATTRIBUTE = re.compile(
    r"when getting extended attribute (?P<name>.*?): "
    r"\[Errno (?P<errno>[0-9]{1,4})\] (?P<text>[^:]*)(?:: (?P<path>b['\"].*))?",
    re.DOTALL,
)
# Warnings without a msgid (borg 1.1 to 1.4, archiver.py, main) that lose nothing.
_HARMLESS_TEXTS = ("Using a pure-python msgpack!", "Include pattern '")
# borg's modules that warn about the repository and its cache, never about a client's files.
_OTHER = {"borg.cache", "borg.locking", "borg.remote", "borg.repository", "borg.logger"}

# The kind of a file that borg marks as failed (status E) without a known warning.
NOT_SAID = "NotSaid"


class FileWarning(NamedTuple):
    """One file that borg could not save properly; its path is relative, as borg prints it."""

    kind: str  # borg's msgid, or NOT_SAID
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
    """The file that a warning of `borg create` is about; None if it is about no file.

    borg before 1.4 (a client's own may be that old) gives no msgid, but its text tells the same.
    """
    if message.get("levelname") != "WARNING":
        return None
    kind, text = str(message.get("msgid") or ""), str(message.get("message", ""))
    if kind in HARMLESS:
        return None
    if text.startswith(_UNKNOWN_TYPE):  # borg leaves it out without a mark
        return FileWarning(NOT_SAID, text.removeprefix(_UNKNOWN_TYPE), 0, "unknown file type")
    if not kind and (match := _ATTRIBUTE.match(text)):
        said = f"extended attribute {match['name']}: {match['text'].strip()}"
        return FileWarning(ATTRIBUTE, _bytes(match["path"]), int(match["errno"]), said)
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


def not_understood(message: dict[str, Any]) -> str:
    """The text of an unknown warning that may be about a client's files; else ""."""
    text = str(message.get("message", ""))
    known = str(message.get("msgid")) in HARMLESS or str(message.get("name")) in _OTHER
    if message.get("levelname") != "WARNING" or known or text.startswith(_HARMLESS_TEXTS):
        return ""
    return "" if file_warning(message) is not None else text or "a warning without a text"


def _bytes(literal: str | None) -> str:
    """A path that was written as Python writes bytes; "" if it is none."""
    with contextlib.suppress(ValueError, SyntaxError, MemoryError, RecursionError):
        found = ast.literal_eval(literal or "''")
        return os.fsdecode(found) if isinstance(found, bytes) else ""
    return ""


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
    # IntegrityError, FileIntegrityError, DecompressionError, ArchiveTAMInvalid, TAMInvalid.
    **dict.fromkeys((90, 91, 92, 95, 97), errors.RepositoryDamaged),
}

# borg's codes if the cache or the security folder has seen a newer manifest (borg 1.4.5, cache.py:
# RepositoryIDNotUnique, RepositoryReplay). borg before 1.4 has no code for it.
_OLDER = {63, 64}
_OLDER_TEXT = re.compile(
    r"^Cache(?: is|, or information obtained from the security directory is) newer than repository",
    re.MULTILINE,
)

# Facts of the system follow a traceback, first those of `borg serve`.
_SYSTEM = re.compile(r"^(?:Borg server: )?Platform: ", re.MULTILINE)
_OF_SERVER = re.compile(r"^(?:Borg server: |Remote: )", re.MULTILINE)
_NO_SPACE = re.compile(r"No space left on device|[Qq]uota exceeded|Errno 28\]|Errno 122\]")
_NOT_WRITABLE = re.compile(r"Errno (?:13|30|1)\] .*|Permission denied|Read-only file system")


# The repository's own file system, as Python and the C library name it.
_STORAGE = re.compile(
    r"Errno (?:5|107|116|117)\]|Input/output error|Transport endpoint is not connected"
    r"|Stale file handle|Structure needs cleaning"
)


def no_room(text: str) -> int:
    """ENOSPC if a program's message says that there is no space, else 0."""
    return errno.ENOSPC if _NO_SPACE.search(text) else 0


def from_exit(returncode: int, text: str, client: str) -> BorgpullError:
    """The error for a failed borg command; `text` is its log as plain text."""
    if _NO_SPACE.search(text):
        full = errors.DiskFull(f"no space left for the repository or the cache of {client}")
        # If `borg serve` itself has failed, its log has the facts of its system.
        full.own = returncode not in _BY_CODE and not _OF_SERVER.search(text)
        return full
    cls = _BY_CODE.get(returncode)
    if returncode == 2 and _NOT_WRITABLE.search(text):
        cls = errors.RepositoryNotWritable
    if returncode == 2 and _STORAGE.search(text):
        cls = errors.StorageFailed
    # borg's traceback ends with the exception.
    said = _SYSTEM.split(text, maxsplit=1)[0]
    last = next(
        (line.strip() for line in reversed(said.splitlines()) if line.strip()), "no message"
    )
    if returncode in _OLDER or _OLDER_TEXT.search(said):
        return errors.ArchivesVanished(
            f"the repository of {client} is older than what is known of it: nothing was written",
            hint="if you put it back from an older copy, docs/security.md says what to remove "
            "(Roll back); if not, somebody else did",
        )
    if cls is None:
        reason = f"signal {-returncode}" if returncode < 0 else f"exit code {returncode}"
        return errors.BorgFailed(f"borg failed for {client} ({reason}): {last}")
    if cls is errors.PassphraseWrong:
        return cls(f"the passphrase for the repository of {client} is wrong")
    if cls is errors.PassphraseMissing:
        return cls(f"the repository of {client} needs a passphrase, and none was given")
    return cls(f"{cls.summary} ({client}): {last}")
