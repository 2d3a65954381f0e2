"""An ssh configuration of our own for one client, so that no user's text reaches an argument list.

Every program (ssh, sftp, sshfs) is called with `-F FILE borgpull-client`; host, user and port are
in that file, after `model.Target.parse` has accepted them.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from borgpull.errors import ConfigError
from borgpull.model import Places, Target

ALIAS = "borgpull-client"
VIA = "borgpull-via"
PINNED = "known_hosts"  # below /state: what `borgpull trust` has pinned

# Lines of /proc/cpuinfo, on x86 and on ARM.
CPU_FLAGS = ("flags", "Features")


@dataclass(frozen=True)
class SshConfig:
    """Where the configuration is, and what it says."""

    path: Path
    target: Target
    has_key: bool

    def command(self, *words: str, options: Sequence[str] = ()) -> list[str]:
        """The command line that runs `words` on the client, by its login shell.

        `options` win over the configuration: ssh takes the first value that it meets.
        """
        return ["ssh", "-F", str(self.path), *options, ALIAS, *words]


def write(
    folder: Path,
    target: Target,
    places: Places,
    *,
    via: Target | None = None,
    forwarding: bool = False,
) -> SshConfig:
    """Write the configuration and a private copy of the key into `folder` (0700, temporary).

    The key is copied because ssh refuses one whose file others may read, and a bind-mounted or
    Kubernetes secret has the modes of its volume. Raises ConfigError.
    """
    key = folder / "ssh_key"
    has_key = copy_key(Path(places.ssh_key), key)
    hosts = " ".join(quote(name) for name in known_hosts_files(places))
    lines = [
        f"Host {ALIAS}",
        *_host(target),
        *([f"  ProxyJump {VIA}", f"Host {VIA}", *_host(via)] if via else []),
        "Host *",
        "  BatchMode yes",
        "  StrictHostKeyChecking yes",
        "  CheckHostIP no",
        "  UpdateHostKeys no",
        f"  UserKnownHostsFile {hosts}",
        "  GlobalKnownHostsFile /dev/null",
        f"  IdentityFile {quote(str(key)) if has_key else 'none'}",
        f"  IdentitiesOnly {'yes' if has_key else 'no'}",
        "  PreferredAuthentications publickey",
        "  ConnectTimeout 20",
        # A dead link ends the run within a minute (facts, section 4: no `reconnect`).
        "  ServerAliveInterval 10",
        "  ServerAliveCountMax 3",
        "  Compression no",
        *(["  Ciphers ^aes128-gcm@openssh.com"] if has_aes() else []),
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
    path = folder / "ssh_config"
    path.write_text("\n".join(lines) + "\n")
    return SshConfig(path, target, has_key)


def has_aes(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Does this machine's processor know AES? Then ssh's own first choice, ChaCha20, is slower.

    A native restore of 1.8 GB in 50,000 files, server and target on two cores: 15.6 s instead of
    17.6 and, once more, 18.5 instead of 21.3.
    """
    try:
        lines = cpuinfo.read_text(errors="replace").splitlines()
    except OSError:
        return False
    words = (line.partition(":") for line in lines)
    return any("aes" in text.split() for name, _, text in words if name.strip() in CPU_FLAGS)


def _host(target: Target) -> list[str]:
    return [f"  HostName {target.host}", f"  User {target.user}", f"  Port {target.port}"]


def copy_key(source: Path, target: Path) -> bool:
    """Copy the private key, readable by us alone. False where there is none."""
    try:
        target.touch(0o600)
        shutil.copyfile(source, target)
    except FileNotFoundError:
        target.unlink(missing_ok=True)
        return False
    except OSError as error:
        raise ConfigError(f"cannot read the ssh key {source}: {error.strerror}") from None
    data = target.read_bytes()
    if b"PRIVATE KEY" not in data:
        raise ConfigError(
            f"{source} is not a private ssh key", hint="--ssh-key wants the private key"
        )
    # OpenSSH refuses a key without its last newline ("invalid format").
    if not data.endswith(b"\n"):
        target.write_bytes(data + b"\n")
    return True


def known_hosts_files(places: Places) -> list[str]:
    """The user's known_hosts (may be missing) and the pinned one."""
    return [places.known_hosts, str(Path(places.state) / PINNED)]


def quote(text: str) -> str:
    """A path for ssh_config(5): percent signs doubled, in double quotes."""
    if '"' in text or "\n" in text:
        raise ConfigError(f"a path with quotes or newlines: {text!r}")
    return '"' + text.replace("%", "%%") + '"'
