"""What goes wrong where an archive is brought back."""

from __future__ import annotations

from borgpull.errors.base import BorgpullError


class NotRestored(BorgpullError):
    exit_code = 80
    summary = "not all could be restored as it was (the result says what)"
    hint = "restore as root, or look at the paths named above; all else is in its place"


class TargetFull(BorgpullError):
    exit_code = 81
    summary = "the target of a restore has no room (bytes or inodes)"
    hint = "make room, or restore fewer paths; --overwrite changed goes on from where it ended"


class TargetNotUsable(BorgpullError):
    exit_code = 82
    summary = "the target of a restore is not empty, would be overwritten, or cannot be written"
    hint = "name an empty folder, or say --overwrite changed or --overwrite always"


class NotInArchive(BorgpullError):
    exit_code = 83
    summary = "a path is not in the archive"
    hint = "borgpull list CLIENT ARCHIVE shows what is in it"
