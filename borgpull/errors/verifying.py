"""Errors of the verification itself."""

from __future__ import annotations

from borgpull.errors.base import BorgpullError


class NotSaved(BorgpullError):
    exit_code = 63
    summary = "a path that was named is not in the archive, or a folder without what is in it"
    hint = (
        "borg saves no sockets, and of two named paths that are one file (hard links, bind mounts) "
        "the first only: name the folder above them; the archive keeps its .unverified name"
    )


class GuardTripped(BorgpullError):
    exit_code = 58
    summary = (
        "the guard found that much went away or was rewritten: the archive is verified and stays, "
        "and nothing of the client is removed"
    )
    hint = (
        "look what happened on the client, and what `borgpull diff CLIENT OLD NEW` says; if it is "
        "right: borgpull acknowledge CLIENT --reason TEXT"
    )


class NotVerified(BorgpullError):
    exit_code = 64
    summary = "the new archive could not be compared with the client"
    hint = "run again; the archive keeps its .unverified name"
