"""One tree of errors: one class and one exit code a cause, with a hint that says what to do.

The table of exit codes in docs/reference.md is generated from the classes here (`borgpull render
exit-codes`). A test ensures that no two share a code.
"""

from __future__ import annotations

from borgpull.errors.base import BorgpullError as BorgpullError
from borgpull.errors.base import Interrupted as Interrupted
from borgpull.errors.base import Told as Told
from borgpull.errors.connecting import AgentUnsupported as AgentUnsupported
from borgpull.errors.connecting import ChangedHostKey as ChangedHostKey
from borgpull.errors.connecting import ClientUnsuitable as ClientUnsuitable
from borgpull.errors.connecting import ConnectBackFailed as ConnectBackFailed
from borgpull.errors.connecting import ConnectionLost as ConnectionLost
from borgpull.errors.connecting import ForwardingRefused as ForwardingRefused
from borgpull.errors.connecting import HostileClient as HostileClient
from borgpull.errors.connecting import HostUnreachable as HostUnreachable
from borgpull.errors.connecting import KeyRefused as KeyRefused
from borgpull.errors.connecting import NoSftp as NoSftp
from borgpull.errors.connecting import NothingInCommon as NothingInCommon
from borgpull.errors.connecting import PathMissing as PathMissing
from borgpull.errors.connecting import SshServiceFailed as SshServiceFailed
from borgpull.errors.connecting import SudoRefused as SudoRefused
from borgpull.errors.connecting import UnknownHostKey as UnknownHostKey
from borgpull.errors.drilling import DrillFailed as DrillFailed
from borgpull.errors.drilling import NotProved as NotProved
from borgpull.errors.drilling import OutsideLimits as OutsideLimits
from borgpull.errors.drilling import RestoreDiffers as RestoreDiffers
from borgpull.errors.ledger import ArchiveNotMade as ArchiveNotMade
from borgpull.errors.ledger import LedgerUnreadable as LedgerUnreadable
from borgpull.errors.ledger import StrangeArchives as StrangeArchives
from borgpull.errors.repositories import ArchiveExists as ArchiveExists
from borgpull.errors.repositories import ArchiveMissing as ArchiveMissing
from borgpull.errors.repositories import ArchivesVanished as ArchivesVanished
from borgpull.errors.repositories import BorgFailed as BorgFailed
from borgpull.errors.repositories import DiskFull as DiskFull
from borgpull.errors.repositories import LostData as LostData
from borgpull.errors.repositories import PassphraseMissing as PassphraseMissing
from borgpull.errors.repositories import PassphraseWrong as PassphraseWrong
from borgpull.errors.repositories import RepositoryExists as RepositoryExists
from borgpull.errors.repositories import RepositoryLocked as RepositoryLocked
from borgpull.errors.repositories import RepositoryMissing as RepositoryMissing
from borgpull.errors.repositories import RepositoryNotWritable as RepositoryNotWritable
from borgpull.errors.repositories import RepositoryTampered as RepositoryTampered
from borgpull.errors.repositories import Unreadable as Unreadable
from borgpull.errors.repositories import VerificationFailed as VerificationFailed
from borgpull.errors.restoring import NotInArchive as NotInArchive
from borgpull.errors.restoring import NotRestored as NotRestored
from borgpull.errors.restoring import TargetFull as TargetFull
from borgpull.errors.restoring import TargetNotUsable as TargetNotUsable
from borgpull.errors.storage import ClientFull as ClientFull
from borgpull.errors.storage import Overdue as Overdue
from borgpull.errors.storage import RepositoryDamaged as RepositoryDamaged
from borgpull.errors.storage import StorageFailed as StorageFailed
from borgpull.errors.storage import of_storage as of_storage
from borgpull.errors.table import Row as Row
from borgpull.errors.table import all_errors as all_errors
from borgpull.errors.table import retried as retried
from borgpull.errors.table import rows as rows
from borgpull.errors.verifying import GuardTripped as GuardTripped
from borgpull.errors.verifying import NotSaved as NotSaved
from borgpull.errors.verifying import NotVerified as NotVerified


class UsageError(BorgpullError):
    exit_code = 2
    summary = "wrong usage: unknown option, missing argument, bad value"
    hint = "see borgpull --help"


class ConfigError(BorgpullError):
    exit_code = 10
    summary = "a file or folder named in an option cannot be used (missing, unreadable, empty)"
    hint = "check the path and its permissions"


class InvalidClientName(BorgpullError):
    exit_code = 11
    summary = "the client's name is not a plain file name"
    hint = "give a plain name with --name: letters, digits, dot, dash, underscore"


class InvalidHost(BorgpullError):
    exit_code = 12
    summary = (
        "the address is not [USER@]HOST[:PORT] (begins with '-', holds brackets or spaces, ...)"
    )
    hint = "write it like root@web1, root@web1:2222, root@192.0.2.7 or root@[2001:db8::7]:22"


class OtherMachine(BorgpullError):
    exit_code = 13
    summary = "the client's name stands for another machine (another host key or port)"
    hint = "give this machine a name of its own with --name"


class NoDocker(BorgpullError):
    exit_code = 20
    summary = "no Docker engine answers"
    hint = "start Docker, or set DOCKER_HOST, or check that your user may use its socket"


class ImageMissing(BorgpullError):
    exit_code = 21
    summary = "the sidecar image is not there"
    hint = "build it with `make image`, or name another with --image"


class SidecarFailed(BorgpullError):
    exit_code = 22
    summary = "the sidecar container could not be started or died"
    hint = "run again with --verbose; `docker events` shows why a container was killed"


class ClusterUnreadable(BorgpullError):
    exit_code = 23
    summary = "kubectl is not there, or cannot read the cluster (its own message is shown)"
    hint = "`kubectl get cronjobs,jobs,pods` must work, with the same --context and --namespace"


class NoFuseDevice(BorgpullError):
    exit_code = 50
    summary = "the container has no /dev/fuse"
    hint = "add --device /dev/fuse to docker run (and load the fuse module on the host)"


class NoMountPrivilege(BorgpullError):
    exit_code = 51
    summary = "the container may not mount, or may not map all user ids"
    hint = (
        "docker run --device /dev/fuse --security-opt apparmor=unconfined, and either "
        "--security-opt seccomp=FILE (borgpull render seccomp) or --cap-add SYS_ADMIN"
    )


class MountFailed(BorgpullError):
    exit_code = 52
    summary = "sshfs could not mount the client"
    hint = "run borgpull doctor HOST"


class CheckFailed(BorgpullError):
    exit_code = 53
    summary = "a check of doctor failed"
    hint = "see the lines that say FAIL"


def by_exit_code(code: int) -> type[BorgpullError]:
    """The class of an exit code; the base if unknown."""
    for cls in BorgpullError.__subclasses__():
        if cls.exit_code == code:
            return cls
    return BorgpullError


def again(exit_code: int, message: str, hint: str) -> Told:
    """The error in a sidecar's result, as if it had been raised here."""
    if exit_code > 128:
        return Interrupted(exit_code - 128)
    error = by_exit_code(exit_code)(message, hint=hint)
    error.exit_code = exit_code
    return error
