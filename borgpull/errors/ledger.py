"""What a client or a disk has done to what is recorded of a repository."""

from __future__ import annotations

from borgpull.errors.base import BorgpullError


class ArchiveNotMade(BorgpullError):
    exit_code = 67
    summary = "the client says that it made an archive which the repository does not have"
    hint = "run again; if it stays, look at the client"


class StrangeArchives(BorgpullError):
    exit_code = 68
    summary = "no verified run made some of the archives: nothing is removed or freed"
    hint = (
        "look at them, then keep or delete each by its name: "
        "borgpull acknowledge CLIENT --adopt NAME --delete NAME"
    )


class LedgerUnreadable(BorgpullError):
    exit_code = 69
    summary = "the ledger of verified archives cannot be read, or is damaged"
    hint = (
        "repair the file, or bring it back from a copy of the state; once it is moved away, "
        "no archive counts as verified"
    )
