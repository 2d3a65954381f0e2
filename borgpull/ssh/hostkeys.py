"""Host keys: look at them, pin them, never guess."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from borgpull.addresses import Target
from borgpull.errors import ChangedHostKey, ConfigError, HostUnreachable
from borgpull.process import CommandError, run
from borgpull.ssh.words import NO_NAME, clean

SCAN_TIMEOUT = 20


def scan(target: Target) -> list[str]:
    """The known_hosts lines that the client offers (ssh-keyscan). Raises HostUnreachable."""
    argv = ["ssh-keyscan", "-T", str(SCAN_TIMEOUT // 2), "-p", str(target.port), "--", target.host]
    try:
        done = run(argv, timeout=SCAN_TIMEOUT, check=False)
    except CommandError as error:
        raise HostUnreachable(f"cannot reach {target}: {error}") from None
    lines = [line for line in done.stdout.decode(errors="replace").splitlines() if line[:1] != "#"]
    lines = [line for line in lines if line.strip()]
    if not lines:
        said = [line for line in done.stderr.splitlines() if line.strip() and line[:1] != "#"]
        raise no_key(target, said[-1] if said else "")
    return sorted(lines)


def no_key(target: Target, said: str) -> HostUnreachable:
    """`said` is ssh-keyscan's last line."""
    reason = clean(said) or "no host key was offered"
    unknown_name = "not known" in reason or reason.startswith("getaddrinfo ")
    hint = NO_NAME if unknown_name else None
    if not said:
        hint = "check the name and the port; an old device: --ssh-option HostKeyAlgorithms=+ssh-rsa"
    return HostUnreachable(f"cannot reach {target}: {reason}", hint=hint)


def fingerprint(line: str) -> str:
    """`SHA256:... (ED25519)` of one known_hosts line, as ssh-keygen prints it."""
    try:
        done = run(["ssh-keygen", "-l", "-f", "-"], timeout=10, stdin=line.encode() + b"\n")
    except CommandError as error:
        raise ConfigError(f"not a host key: {error}") from None
    fields = done.stdout.decode(errors="replace").split()
    return f"{fields[1]} {fields[-1]}"


def pattern(target: Target) -> str:
    """How known_hosts names the client (sshd(8): `[host]:port` unless the port is 22)."""
    return target.host if target.port == 22 else f"[{target.host}]:{target.port}"


def pinned(target: Target, known_hosts: Path) -> list[str]:
    """The pinned lines for the client; empty if there are none."""
    if not known_hosts.exists():
        return []
    argv = ["ssh-keygen", "-F", pattern(target), "-f", str(known_hosts)]
    done = run(argv, timeout=10, check=False)
    text = done.stdout.decode(errors="replace")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def pin(target: Target, lines: list[str], known_hosts: Path, *, replace: bool) -> None:
    """Add the lines to known_hosts, whole or not at all.

    Raises ChangedHostKey if another key is pinned and `replace` is not set.
    """
    try:
        known_hosts.parent.mkdir(parents=True, exist_ok=True)
        with _alone(known_hosts.parent):
            _pin(target, lines, known_hosts, replace)
    except OSError as error:
        raise ConfigError(f"cannot write {known_hosts}: {error.strerror}") from None


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other runs from pinning meanwhile: two at a time could overwrite each other's keys."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _pin(target: Target, lines: list[str], known_hosts: Path, replace: bool) -> None:
    """Raises ChangedHostKey, OSError."""
    old = pinned(target, known_hosts)
    if {key_part(line) for line in old} & {key_part(line) for line in lines} and not replace:
        return
    if old and not replace:
        raise ChangedHostKey(
            f"another host key is pinned for {target}",
            hint=f"if the client was reinstalled: borgpull trust --replace {target}",
        )
    text = known_hosts.read_text() if known_hosts.exists() else ""
    keep = [line for line in text.splitlines() if line not in old]
    fresh = known_hosts.with_name(known_hosts.name + ".new")
    fresh.write_text("\n".join([*keep, *lines]) + "\n")
    fresh.replace(known_hosts)


def key_part(line: str) -> tuple[str, str]:
    """Type and key of a known_hosts line, without the host."""
    fields = [*line.split(), "", "", ""]
    return fields[1], fields[2]
