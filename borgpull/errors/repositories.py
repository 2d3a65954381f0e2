"""What goes wrong with a repository, and with what a run puts there."""

from __future__ import annotations

from borgpull.errors.base import BorgpullError


class PassphraseWrong(BorgpullError):
    exit_code = 40
    summary = "the passphrase of the repository is wrong"
    hint = "check the file named by --passphrase-file (/run/secrets/passphrase in the container)"


class PassphraseMissing(BorgpullError):
    exit_code = 41
    summary = "the repository needs a passphrase and none was given"
    hint = "give --passphrase-file FILE (/run/secrets/passphrase in the container)"


class RepositoryMissing(BorgpullError):
    exit_code = 42
    summary = "the client has no repository"
    hint = "make it with `borgpull init CLIENT`, or let the first run do so with --init"


class RepositoryLocked(BorgpullError):
    exit_code = 43
    summary = "the repository is in use by another run"
    hint = "wait for the other run, or give it more time with --lock-wait SECONDS"
    retry = True


class RepositoryNotWritable(BorgpullError):
    exit_code = 44
    summary = "the repository cannot be written"
    hint = (
        "repository and state must belong to the user of the run (--user of docker run, or chown "
        "-R: docs/methods.md), on a volume that can be written"
    )


class DiskFull(BorgpullError):
    exit_code = 45
    summary = "the volume of the repository or of the state is full"
    hint = "make room; borg needs some of it even to delete archives"
    # True if borg says that its own disk is full, and not the disk of its `borg serve`.
    own = False


class RepositoryExists(BorgpullError):
    exit_code = 46
    summary = "there is already a repository for this client"
    hint = "use it as it is, or give the client another name with --name"


class ArchiveExists(BorgpullError):
    exit_code = 47
    summary = "an archive of that name is already there"
    hint = "use another --archive, for instance with {now}"


class ArchiveMissing(BorgpullError):
    exit_code = 48
    summary = "there is no archive of that name"
    hint = "borgpull list CLIENT shows the archives"


class BorgFailed(BorgpullError):
    exit_code = 49
    summary = "borg failed in another way (its own message is shown)"
    hint = "see borg's message; its own exit code is in the --json result"


class LostData(BorgpullError):
    exit_code = 60
    summary = "borg could not save some files: they are not in the archive"
    hint = "look at the files named above; the archive keeps its .unverified name"


class Unreadable(BorgpullError):
    exit_code = 61
    summary = "the user on the client may not read some files"
    hint = "log in as root, exclude them, or allow each with --allow-unreadable PATH"


class VerificationFailed(BorgpullError):
    exit_code = 62
    summary = "files are shorter in the archive than on the client (read errors there)"
    hint = "check the client's disk; the archive keeps its .unverified name"


class ArchivesVanished(BorgpullError):
    exit_code = 65
    summary = "verified archives have vanished from the repository, by no command of this server"
    hint = (
        "look with `borgpull list CLIENT`; roll back (docs/security.md, and borg's documentation "
        "of append-only mode), or accept it: borgpull acknowledge CLIENT"
    )


class RepositoryTampered(BorgpullError):
    exit_code = 66
    summary = (
        "the client changed the configuration (say, the key) of its repository; it was put back"
    )
    hint = (
        "take the client for hostile, and the passphrase it was given for known; then look: "
        "borgpull list CLIENT, borgpull borg CLIENT -- check"
    )
