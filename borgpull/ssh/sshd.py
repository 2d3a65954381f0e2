"""An sshd of our own for one run: one key may log in, and always gets the same command."""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from borgpull import capabilities
from borgpull.errors import SshServiceFailed
from borgpull.process import Running, base_env, running
from borgpull.ssh.keys import TYPE, keypair
from borgpull.ssh.sessions import end_with_sessions

START_SECONDS = 20.0
# The name of this server for clients and destination constraints, at any address and port.
ALIAS = "borgpull-sidecar"
# As root, sshd does the key exchange as another user in an empty folder.
_NEEDED_BY_ROOT = {
    "SETGID": capabilities.SETGID,
    "SETUID": capabilities.SETUID,
    "SYS_CHROOT": capabilities.SYS_CHROOT,
}

# sshd_config(5): what is missing here is off by default, and a client cannot switch it on.
_CONFIG = f"""\
PidFile none
UsePAM no
# The private folder lies in /dev/shm, which every user may write: sshd would refuse the path. But
# the folder itself is 0700 and ours.
StrictModes no
AuthenticationMethods publickey
PubkeyAcceptedAlgorithms {TYPE}
PasswordAuthentication no
KbdInteractiveAuthentication no
HostbasedAuthentication no
DisableForwarding yes
PermitTunnel no
PermitTTY no
PermitUserRC no
PermitUserEnvironment no
MaxAuthTries 3
MaxStartups 10:30:20
LoginGraceTime 20
# There is nothing to guess, and one address (NAT) may be a port scanner's and the client's.
PerSourcePenalties no
# A client that is gone must not hold borg's lock: `borg serve` ends within a minute.
ClientAliveInterval 10
ClientAliveCountMax 3
UseDNS no
Compression no
PrintMotd no
PrintLastLog no
LogLevel INFO
"""


_ONE_COMMAND = "PermitRootLogin forced-commands-only\nMaxSessions 1\n"
_ANY_COMMAND = "PermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n"


@dataclass(frozen=True)
class Sshd:
    """A listening server. The file `known_hosts` has its key under the name ALIAS."""

    host: str
    port: int
    user: str
    host_key: str
    known_hosts: Path
    child: Running

    def known_hosts_line(self) -> str:
        return f"{ALIAS} {self.host_key}"


@contextmanager
def serving(
    folder: Path,
    authorized_key: str,
    command: Sequence[str] | None,
    *,
    listen: str,
    port: int = 0,
    env: Mapping[str, str] | None = None,
) -> Iterator[Sshd]:
    """Let the owner of one key (`TYPE BASE64 ...`) run one command, as our user.

    `folder` is a private one, 0700. `listen` is an IP address; port 0 takes a free port. `command`
    gets PATH, LC_ALL and `env`, and no more of our environment. `env` must hold no secrets, because
    they can be seen in /proc. Without a `command` the key may run any, and use SFTP, in several
    sessions at once. Needs OpenSSH 9.8. On the way out, sshd and all its sessions end.
    Raises SshServiceFailed.
    """
    user = _user()
    host_key = " ".join(keypair(folder, "sshd_host_key").public.split()[:2])
    keys, known_hosts = folder / "sshd_authorized_keys", folder / "sshd_known_hosts"
    keys.write_text(authorized_line(authorized_key, command, env or {}))
    known_hosts.write_text(f"{ALIAS} {host_key}\n")
    with _reserved(listen, port) as reserved:
        chosen = reserved.getsockname()[1]
        config = folder / "sshd_config"
        where = f"[{listen}]:{chosen}" if ":" in listen else f"{listen}:{chosen}"
        config.write_text(
            f"ListenAddress {where}\nAllowUsers {user}\nAuthorizedKeysFile {keys}\n{_CONFIG}"
            + (_ONE_COMMAND if command else _ANY_COMMAND)
        )
        argv = [_sshd(), "-D", "-e", "-f", str(config), "-h", str(folder / "sshd_host_key")]
        with running(argv, name="sshd") as child, end_with_sessions(child):
            _await_listening(child)
            reserved.close()
            yield Sshd(listen, chosen, user, host_key, known_hosts, child)


def authorized_line(key: str, command: Sequence[str] | None, env: Mapping[str, str]) -> str:
    """The line of authorized_keys(5): nothing but this command, in this environment.

    sshd gives the command to the login shell, hence the shell's quotes. In the line itself only the
    double quote is special (misc.c, opt_dequote). Raises SshServiceFailed.
    """
    kind, base64 = [*key.split(), "", ""][:2]
    names = {"PATH": base_env()["PATH"], "LC_ALL": "C.UTF-8", **env}
    words = ["env", *(f"{name}={value}" for name, value in names.items()), *(command or ())]
    text = "exec " + shlex.join(words)
    if kind != TYPE or not base64 or any(char in text for char in "\n\r\0"):
        raise SshServiceFailed(f"not a key of type {TYPE}, or a command of several lines")
    if command is None:
        return f"restrict {kind} {base64}\n"
    return 'restrict,command="{}" {} {}\n'.format(text.replace('"', '\\"'), kind, base64)


def _sshd() -> str:
    """sshd's full path, by which it must be called. A user's PATH may lack it."""
    path = f"{base_env()['PATH']}:/usr/local/sbin:/usr/sbin"
    if (found := shutil.which("sshd", path=path)) is None:
        raise SshServiceFailed("there is no sshd here", hint="install openssh-server")
    return found


def _user() -> str:
    """Our user's name, for the client's login. Raises SshServiceFailed if sshd cannot work."""
    if os.geteuid() == 0:
        missing = [name for name, bit in _NEEDED_BY_ROOT.items() if not capabilities.has(bit)]
        if missing:
            raise SshServiceFailed(
                f"as root, sshd needs the capabilities {', '.join(missing)}",
                hint="add them, or run the container as --user 1000:1000, where it needs none",
            )
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise SshServiceFailed(
            f"the user id {os.geteuid()} has no name here, and sshd refuses such",
            hint="in the container use 1000, or mount an /etc/passwd with yours",
        ) from None


@contextmanager
def _reserved(listen: str, port: int) -> Iterator[socket.socket]:
    """Reserve a port for sshd: it is bound, but not listening.

    sshd can bind it all the same, because it sets SO_REUSEADDR too (socket(7)). sshd cannot choose
    a free port itself. Raises SshServiceFailed.
    """
    family = socket.AF_INET6 if ":" in listen else socket.AF_INET
    with socket.socket(family) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:  # as sshd does
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            made.bind((listen, port))
        except OSError as error:
            reason = error.strerror or str(error)
            raise SshServiceFailed(f"cannot listen on {listen} port {port}: {reason}") from None
        yield made


def _await_listening(child: Running) -> None:
    deadline = time.monotonic() + START_SECONDS
    for item in child.lines(tick=0.1):
        if item is not None and item[1].startswith(b"Server listening on "):
            return
        if time.monotonic() > deadline:
            break
    raise SshServiceFailed(f"the sidecar's sshd does not start: {child.stderr()[-500:]}")
