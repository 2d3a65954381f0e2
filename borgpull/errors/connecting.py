"""What goes wrong between a client and this side."""

from __future__ import annotations

from borgpull.errors.base import BorgpullError


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
    summary = "the client refuses our ssh key, or wants more than it (a second factor)"
    hint = "put the public key into the client's authorized_keys, or name another with --ssh-key"


class HostUnreachable(BorgpullError):
    exit_code = 33
    summary = "the client cannot be reached (name, network, port)"
    hint = "check the name and the port, and that the client is up"
    retry = True


class ConnectionLost(BorgpullError):
    exit_code = 34
    summary = "the connection to the client broke during the run"
    hint = "run again: what has arrived is not sent twice"
    retry = True


class NoSftp(BorgpullError):
    exit_code = 35
    summary = "the client offers no SFTP"
    hint = "enable the sftp subsystem in the client's sshd"


class PathMissing(BorgpullError):
    exit_code = 36
    summary = "a path to be saved is not on the client, a symlink there, or on a dead mount"
    hint = "name absolute paths as they are on the client, without symlinks on the way"


class HostileClient(BorgpullError):
    exit_code = 37
    summary = "the client does what no healthy one does (/etc/passwd is a FIFO, an endless answer)"
    hint = "look at that file, or at the login shell's profile, on the client"


class ClientUnsuitable(BorgpullError):
    exit_code = 38
    summary = "borg cannot run on the client (another CPU, only noexec folders, no tools, no shell)"
    hint = "install borg there and name it by --client-borg, or use sshfs"


class SudoRefused(BorgpullError):
    exit_code = 39
    summary = "sudo on the client does not let us run as root without a password"
    hint = "see the line for sudoers in docs/methods.md"


class ConnectBackFailed(BorgpullError):
    exit_code = 70
    summary = "the client cannot connect back to the sidecar"
    hint = "check that the client reaches the sidecar's address and port (published, no firewall)"


class ForwardingRefused(BorgpullError):
    exit_code = 71
    summary = "the client's (or the jump host's) sshd refuses to forward a port or the agent"
    hint = "allow AllowTcpForwarding or AllowAgentForwarding in the client's sshd_config"


class AgentUnsupported(BorgpullError):
    exit_code = 72
    summary = "the client's ssh is too old for an agent whose key is bound to one way"
    hint = "the client needs ssh of OpenSSH 8.9 or newer; or use another method"


class NothingInCommon(BorgpullError):
    exit_code = 74
    summary = "the client's sshd and our ssh have no algorithm in common (an old device)"
    hint = "name what it offers by --ssh-option, say KexAlgorithms=+diffie-hellman-group14-sha1"


class SshServiceFailed(BorgpullError):
    exit_code = 73
    summary = "the sidecar's own sshd or ssh-agent cannot be started"
    hint = "run again with --verbose"
