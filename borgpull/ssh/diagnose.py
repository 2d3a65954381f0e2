"""What ssh, sftp and sshfs say when they fail, as one error of ours."""

from __future__ import annotations

import re

from borgpull import errors
from borgpull.errors import BorgpullError
from borgpull.model import Target

# OpenSSH's own wording (sshconnect.c, sshconnect2.c, ssh.c, misc.c), in the order of precedence.
_CHANGED = re.compile(
    r"REMOTE HOST IDENTIFICATION HAS CHANGED|host key .* has changed", re.IGNORECASE
)
_UNKNOWN = re.compile(r"No \S+ host key is known|Host key verification failed", re.IGNORECASE)
_REFUSED = re.compile(
    r"Permission denied \(|Too many authentication failures|no mutual signature algorithm"
    r"|No supported authentication methods|incorrect passphrase supplied|error in libcrypto"
    r"|invalid format",
    re.IGNORECASE,
)
_UNREACHABLE = re.compile(
    r"Could not resolve hostname[^\n]*|connect to host [^\n]*|Connection timed out[^\n]*"
    r"|Connection (?:closed|reset) by [^\n]*|kex_exchange_identification[^\n]*"
    r"|Network is unreachable|No route to host|banner exchange[^\n]*",
    re.IGNORECASE,
)
_NO_SFTP = re.compile(
    r"subsystem request failed|Received message too long|subsystem.*not found", re.I
)


def from_ssh(text: str, target: Target, *, connected: bool = False) -> BorgpullError:
    """The error behind what ssh wrote to standard error; `connected` once a session has worked."""
    host = str(target)
    if _CHANGED.search(text):
        return errors.ChangedHostKey(
            f"the host key of {host} has changed",
            hint=f"another machine, or somebody in between? If it was reinstalled: "
            f"borgpull trust --replace {host}",
        )
    if _UNKNOWN.search(text):
        return errors.UnknownHostKey(
            f"the host key of {host} is not known",
            hint=f"compare the fingerprint on the client, then: borgpull trust {host}",
        )
    if _REFUSED.search(text):
        return errors.KeyRefused(f"{host} refuses our ssh key")
    if _NO_SFTP.search(text):
        return errors.NoSftp(f"{host} offers no SFTP")
    if connected:
        return errors.ConnectionLost(f"the connection to {host} broke")
    if match := _UNREACHABLE.search(text):
        reason = match[0].strip().rstrip(".").removeprefix("ssh: ")
        return errors.HostUnreachable(f"cannot reach {host}: {reason}")
    last = next((line for line in reversed(text.splitlines()) if line.strip()), "no message")
    return errors.HostUnreachable(f"ssh to {host} failed: {last.strip()}")
