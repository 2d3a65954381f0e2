"""An ssh configuration of our own for one client, so that no user's text reaches an argument list.

Every program (ssh, sftp, sshfs) is called with `-F FILE borgpull-client`; host, user and port are
in that file, after `addresses.Target.parse` has accepted them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from borgpull import capabilities
from borgpull.addresses import Target
from borgpull.errors import ConfigError, UsageError
from borgpull.places import Places
from borgpull.process import CommandError, run
from borgpull.ssh import dialling, keys
from borgpull.ssh.options import lines as option_lines
from borgpull.ssh.options import names as option_names

ALIAS = "borgpull-client"
VIA = "borgpull-via"
PINNED = "known_hosts"  # below /state: what `borgpull trust` has pinned
USED_KEY = "used_host_key"  # beside the configuration: the type and fingerprint of the client's key
# By this command ssh tells the host key before it compares it. ssh also calls it with ORDER, to
# learn in which order to propose keys.
TELL_KEY = '/bin/sh -c \'test "$0" = ORDER || echo "$1 $2" >"$3"\' %I %t %f'

# For first contacts: ssh tells whether a login was accepted, which helps to explain a failure.
TELLING = ("-o", "LogLevel=VERBOSE")

# Lines of /proc/cpuinfo, on x86 and on ARM.
CPU_FLAGS = ("flags", "Features")


class SshConfig(NamedTuple):
    """The file of the configuration, and what it says."""

    path: Path
    target: Target
    has_key: bool
    via: Target | None = None
    direct: bool = False  # may the TCP connection be ours (dialling.py)?

    def command(self, *words: str, options: Sequence[str] = ()) -> list[str]:
        """The command line that runs `words` on the client, by its login shell.

        `options` win over the configuration: ssh takes the first value that it meets.
        """
        return ["ssh", "-F", str(self.path), *options, ALIAS, *words]


def tells() -> bool:
    """Can ssh tell which host key it uses?

    As root, it sets groups before it runs the command (OpenSSH's misc.c, subprocess), and needs
    CAP_SETGID for that.
    """
    return os.geteuid() != 0 or capabilities.has(capabilities.SETGID)


def write(
    folder: Path,
    target: Target,
    places: Places,
    *,
    via: Target | None = None,
    forwarding: bool = False,
    ssh_options: Sequence[str] = (),
    client_aes: bool | None = None,
) -> SshConfig:
    """Write the configuration and private copies of the keys into `folder` (0700, temporary).

    `ssh_options` are the user's. `client_aes` says whether the client's processor knows AES; None
    if that is not known. Raises ConfigError, UsageError.
    """
    key = keys.copy(places.ssh_key, folder / "ssh_key")
    tell = [f"  KnownHostsCommand {TELL_KEY} {quote(str(folder / USED_KEY))}"] if tells() else []
    lines = [f"Host {ALIAS}", *_host(target), *option_lines(ssh_options), *tell, *_identity(key)]
    if via is not None:
        jump_key = keys.copy(places.via_key, folder / "via_key") or key
        lines += [f"  ProxyJump {VIA}", f"Host {VIA}", *_host(via), *_identity(jump_key)]
        lines += ["  LogLevel VERBOSE"]  # tells which of the two has refused us
    lines += ["Host *", *_common(places, forwarding)]
    if client_aes is not False and has_aes(_own_cpuinfo()):
        lines += ["  Ciphers ^aes128-gcm@openssh.com"]
    path = folder / "ssh_config"
    path.write_text("\n".join(lines) + "\n")
    if ssh_options:
        _try(path)
    direct = via is None and dialling.may(option_names(ssh_options))
    return SshConfig(path, target, key is not None, via, direct)


def _common(places: Places, forwarding: bool) -> list[str]:
    hosts = " ".join(quote(name) for name in known_hosts_files(places))
    return [
        "  BatchMode yes",
        "  StrictHostKeyChecking yes",
        "  CheckHostIP no",
        "  UpdateHostKeys no",
        f"  UserKnownHostsFile {hosts}",
        "  GlobalKnownHostsFile /dev/null",
        "  PreferredAuthentications publickey",
        "  ConnectTimeout 20",
        # A dead link ends the run within a minute (facts, section 4: no `reconnect`).
        "  ServerAliveInterval 10",
        "  ServerAliveCountMax 3",
        "  Compression no",
        "  ForwardAgent no",
        "  ForwardX11 no",
        f"  ClearAllForwardings {'no' if forwarding else 'yes'}",
        "  PermitLocalCommand no",
        "  ControlMaster no",
        "  ControlPath none",
        "  RequestTTY no",
        "  EscapeChar none",
        "  LogLevel INFO",
    ]


def _try(path: Path) -> None:
    """Let ssh check the configuration, without connecting. Raises UsageError for a bad option."""
    try:
        run(["ssh", "-G", "-F", str(path), ALIAS], timeout=20)
    except CommandError as error:
        said = error.stderr.strip().splitlines() or [str(error)]
        reason = said[0].removeprefix(f"{path} ").removeprefix(f"{path}: ")
        raise UsageError(f"ssh does not take an --ssh-option: {reason}") from None


def has_aes(cpuinfo: str) -> bool:
    """Does a processor, by its /proc/cpuinfo, know AES?

    If both sides' processors do, ssh's own first choice, ChaCha20, is slower. With AES, a native
    restore of 1.8 GB in 50,000 files, server and target on two cores, took 15.6 s instead of 17.6
    and, once more, 18.5 instead of 21.3. If one side's does not, both wait for AES in software.
    """
    words = (line.partition(":") for line in cpuinfo.splitlines())
    return any("aes" in text.split() for name, _, text in words if name.strip() in CPU_FLAGS)


def _own_cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return ""


def _host(target: Target) -> list[str]:
    """Lines of ssh_config(5), in which a percent sign begins a token and a backslash may quote."""
    host, user = target.host.replace("%", "%%"), target.user.replace("\\", "\\\\")
    return [f"  HostName {host}", f"  User {user}", f"  Port {target.port}"]


def _identity(key: Path | None) -> list[str]:
    """ssh also takes a certificate beside the key (ssh_config(5): IdentityFile)."""
    if key is None:
        return ["  IdentityFile none", "  IdentitiesOnly no"]
    return [f"  IdentityFile {quote(str(key))}", "  IdentitiesOnly yes"]


def known_hosts_files(places: Places) -> list[str]:
    """The user's known_hosts, if named (the file may be missing), and the pinned host keys."""
    pinned = str(Path(places.state) / PINNED)
    return [places.known_hosts, pinned] if places.known_hosts else [pinned]


def quote(text: str) -> str:
    """A path for ssh_config(5): percent signs doubled, in double quotes."""
    if '"' in text or "\n" in text:
        raise ConfigError(f"a path with quotes or newlines: {text!r}")
    return '"' + text.replace("%", "%%") + '"'
