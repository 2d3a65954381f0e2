"""Options of ssh that a user may set, for old devices and odd networks (`--ssh-option`).

None of them can weaken the check of the host key, run a program, forward anything, or name a file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from borgpull.errors import UsageError

# Options of ssh_config(5), without those for known_hosts, commands, forwarding and identities.
ALLOWED = (
    "AddressFamily",
    "BindAddress",
    "BindInterface",
    "Ciphers",
    "Compression",
    "ConnectionAttempts",
    "ConnectTimeout",
    "HostKeyAlgorithms",
    "IPQoS",
    "KexAlgorithms",
    "MACs",
    "PubkeyAcceptedAlgorithms",
    "RekeyLimit",
    "RequiredRSASize",
    "TCPKeepAlive",
)
_NAMES = {name.lower(): name for name in ALLOWED}
# One word, which ssh cannot take for more than a value.
_VALUE = re.compile(r"[A-Za-z0-9+^*@._,:/-]{1,1000}")


def check(word: str) -> str:
    """`NAME=VALUE` with ssh's spelling of the name. Raises UsageError."""
    name, equals, value = word.partition("=")
    known = _NAMES.get(name.strip().lower())
    if known is None:
        raise UsageError(
            f"--ssh-option: not {name.strip()!r}",
            hint=f"it takes NAME=VALUE of {', '.join(ALLOWED)}",
        )
    if not equals or not _VALUE.fullmatch(value.strip()):
        raise UsageError(
            f"--ssh-option {known}: not a value: {value!r}",
            hint="write it like KexAlgorithms=+diffie-hellman-group14-sha1",
        )
    return f"{known}={value.strip()}"


def lines(words: Sequence[str]) -> list[str]:
    """The lines of ssh_config(5). Raises UsageError."""
    return ["  " + check(word).replace("=", " ", 1) for word in words]


def names(words: Sequence[str]) -> set[str]:
    return {word.partition("=")[0] for word in words}
