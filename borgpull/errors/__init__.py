"""One tree of errors: one class and one exit code a cause, with a hint that says what to do.

The README's table of exit codes is generated from the classes here (`borgpull render exit-codes`),
and a test holds that no two share a code.
"""

from __future__ import annotations

from borgpull.errors.base import BorgpullError as BorgpullError
from borgpull.errors.base import Told as Told
from borgpull.errors.restoring import NotInArchive as NotInArchive
from borgpull.errors.restoring import NotRestored as NotRestored
from borgpull.errors.restoring import TargetFull as TargetFull
from borgpull.errors.restoring import TargetNotUsable as TargetNotUsable


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


class UnknownHostKey(BorgpullError):
    exit_code = 30
    summary = "the client's host key is not known"
    hint = "compare the fingerprint on the client, then run: borgpull trust HOST"


class ChangedHostKey(BorgpullError):
    exit_code = 31
    summary = "the client's host key has changed: another machine, or somebody in between"
    hint = "if the client was reinstalled, run: borgpull trust --replace HOST"


class KeyRefused(BorgpullError):
    exit_code = 32
    summary = "the client refuses our ssh key"
    hint = "put the public key into the client's authorized_keys, or name another with --ssh-key"


class HostUnreachable(BorgpullError):
    exit_code = 33
    summary = "the client cannot be reached (name, network, port)"
    hint = "check the name and the port, and that the client is up"


class ConnectionLost(BorgpullError):
    exit_code = 34
    summary = "the connection to the client broke during the run"
    hint = "run again: what has arrived is not sent to the repository twice"


class NoSftp(BorgpullError):
    exit_code = 35
    summary = "the client offers no SFTP"
    hint = "enable the sftp subsystem in the client's sshd"


class PathMissing(BorgpullError):
    exit_code = 36
    summary = "a path to be saved does not exist on the client"
    hint = "name absolute paths as they are on the client, without symlinks on the way"


class HostileClient(BorgpullError):
    exit_code = 37
    summary = "the client's tree cannot be used safely (say, /etc/passwd is a FIFO)"
    hint = "look at that file on the client: this does not happen on a healthy machine"


class ClientUnsuitable(BorgpullError):
    exit_code = 38
    summary = "borg cannot run on the client (another CPU, no room, no tools, no shell)"
    hint = "install borg there and name it by --client-borg, or use sshfs"


class SudoRefused(BorgpullError):
    exit_code = 39
    summary = "sudo on the client does not let us run as root without a password"
    hint = "see the line for sudoers in docs/methods.md"


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
        "look with `borgpull list CLIENT`; roll back (docs/design.md, and borg's documentation of "
        "append-only mode), or accept it: borgpull acknowledge CLIENT"
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


class ConnectBackFailed(BorgpullError):
    exit_code = 70
    summary = "the client cannot connect back to the sidecar"
    hint = "check that the client reaches the sidecar's address and port (published, no firewall)"


class ForwardingRefused(BorgpullError):
    exit_code = 71
    summary = "the client's sshd refuses to forward a port or the agent"
    hint = "allow AllowTcpForwarding or AllowAgentForwarding in the client's sshd_config"


class AgentUnsupported(BorgpullError):
    exit_code = 72
    summary = "the client's ssh is too old for an agent whose key is bound to one way"
    hint = "the client needs ssh of OpenSSH 8.9 or newer; or use another method"


class SshServiceFailed(BorgpullError):
    exit_code = 73
    summary = "the sidecar's own sshd or ssh-agent cannot be started"
    hint = "run again with --verbose"


class Interrupted(Told):
    """A signal ended the run; the exit code is 128 plus its number, as in a shell.

    No BorgpullError, as KeyboardInterrupt is no Exception: whatever goes on after an error, and
    only tells of it, must end at a signal.
    """

    exit_code = 130
    summary = "ended by a signal: 128 plus its number (130 SIGINT, 143 SIGTERM)"
    hint = "nothing half done counts as a backup; run again"

    def __init__(self, signum: int) -> None:
        super().__init__(f"ended by signal {signum}")
        self.exit_code = 128 + signum


def all_errors() -> list[type[Told]]:
    """Everything but success that a user can meet, by exit code."""
    return sorted([*BorgpullError.__subclasses__(), Interrupted], key=lambda cls: cls.exit_code)


def by_exit_code(code: int) -> type[BorgpullError]:
    """The class of an exit code (for a result that came from a sidecar); the base if unknown."""
    for cls in BorgpullError.__subclasses__():
        if cls.exit_code == code:
            return cls
    return BorgpullError
