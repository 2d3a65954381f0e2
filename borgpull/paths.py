"""Paths and patterns, as a user writes them."""

from __future__ import annotations

from pathlib import PurePosixPath

from borgpull.errors import UsageError


def client_path(path: str) -> str:
    """An absolute path on the client, without `.`, `..` or doubled slashes. Raises UsageError."""
    pure = PurePosixPath(path)
    if not path.startswith("/") or ".." in pure.parts or "\0" in path:
        raise UsageError(
            f"not an absolute path of the client: {path!r}", hint="write it like /etc, without '..'"
        )
    return "/" + "/".join(part for part in pure.parts if part.strip("/"))


def archive_path(path: str) -> str:
    """A path of an archive: absolute, or as listings print it, where `.` is the whole machine.

    Raises UsageError; for no path at all, too, which would stand for everything.
    """
    return client_path(f"/{path}" if path and not path.startswith("/") else path)


def for_borg(word: str) -> str:
    """A path or pattern as a word of `borg create`, which keeps its command line in the archive.

    Raises UsageError for bytes that are no UTF-8: borg cannot put those there. In names below what
    is saved they do no harm.
    """
    if not word.isprintable() and any("\ud800" <= char <= "\udfff" for char in word):
        raise UsageError(f"borg takes UTF-8 only: {word!r}", hint="name the folder above it")
    return word


def target_folder(path: str) -> str:
    """Raises UsageError: a newline would end the line in which the target reads it."""
    if "\n" in path:
        raise UsageError(f"not a folder to restore into: {path!r}", hint="use one without newlines")
    return client_path(path)
