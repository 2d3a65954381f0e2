"""authorized_keys lines for a client: as little as each method can live with (sshd(8)).

For `pipe` there is a forced command, with which the key can do one thing: make an archive of these
paths with the client's own borg, and give it to whoever holds the other end. It asks for four lines
on standard input: what to do, the passphrase, the archive's name, and the compression or new name.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from borgpull.client.setup import FORCED, script
from borgpull.errors import UsageError

# What each method asks of sshd beside running commands; `restrict` denies all else.
OPTIONS = {
    "sshfs": "restrict",
    "pipe": "restrict",
    "socat": "restrict,port-forwarding",
    "agent": "restrict,agent-forwarding",
    "forward": "restrict,port-forwarding",
}
SFTP = "/usr/lib/openssh/sftp-server -R"
# borg's status letters that are worth a line: all but unchanged files and excluded paths. With
# those, an unchanged tree of 100,000 files would send 100,000 lines over the link.
FILTER = "AMCEhdsfbci?"


def forced_command(
    client: str, repository: str, borg: str, paths: Sequence[str], patterns: Sequence[str]
) -> str:
    """The command for the client's own borg; `repository` is its folder on the server."""
    words = [word for pattern in patterns for word in ("--exclude", pattern)]
    statements = [line for line in script("forced.sh").splitlines() if line[:1] != "#"]
    text = "; ".join(statements)
    for name, value in {
        "FORCED": shlex.join([FORCED, "1", *paths]),
        "URL": shlex.quote(url(repository)),
        "CLIENT": shlex.quote(client),
        "FILTER": FILTER,
        "BORG": shlex.quote(borg),
        "EXCLUDES": shlex.join(words),
        "PATHS": shlex.join([path.lstrip("/") or "." for path in paths]),
    }.items():
        text = text.replace(f"@{name}@", value)
    return text


def url(repository: str) -> str:
    """A client's repository as borg there names it: whatever carries it, the same in each run."""
    return f"ssh://borgpull-sidecar{repository}"


def line(method: str, public_key: str, command: str | None = None) -> str:
    """The line for authorized_keys. Raises UsageError where it could not be read there."""
    options = OPTIONS[method]
    if command is not None:
        if "\n" in command or "\0" in command:
            raise UsageError("a path or pattern with a newline cannot be in authorized_keys")
        options += ',command="' + command.replace('"', '\\"') + '"'
    return f"{options} {public_key}"
