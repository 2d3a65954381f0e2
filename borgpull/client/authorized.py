"""authorized_keys lines for a client: as little as each method can live with (sshd(8)).

For `pipe` there is a forced command, with which the key can do one thing: make an archive of these
paths with the client's own borg, and give it to whoever holds the other end. It asks for four lines
on standard input: what to do, the passphrase, the archive's name, and the compression or new name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from borgpull.client.setup import FORCED, script
from borgpull.errors import UsageError

# What each method asks of sshd beside running commands; `restrict` denies all else. There is no
# word for "no port": `none` is no host, so that the key opens no way into the client's network.
OPTIONS = {
    "sshfs": "restrict",
    "pipe": "restrict",
    "socat": 'restrict,port-forwarding,permitopen="none:1",permitlisten="none:1"',
    "agent": "restrict,agent-forwarding",
    "forward": 'restrict,port-forwarding,permitopen="none:1",permitlisten="127.0.0.1:*"',
}
# borg's status letters that are worth a line: all but unchanged files and excluded paths. With
# those, an unchanged tree of 100,000 files would send 100,000 lines over the link.
FILTER = "AMCEhdsfbci?"


def forced_command(
    client: str, repository: str, borg: str, paths: Sequence[str], patterns: Sequence[str]
) -> str:
    """The command for the client's own borg; `repository` is its folder on the server."""
    words = {
        # Quoted twice: the server splits what the shell there has taken the first quotes from.
        "FORCED": quoted([f"{FORCED} {quoted(paths)}"]),
        "URL": quoted([url(repository)]),
        "CLIENT": quoted([client]),
        "FILTER": FILTER,
        "BORG": quoted([borg]),
        "EXCLUDES": quoted(word for pattern in patterns for word in ("--exclude", pattern)),
        "PATHS": quoted(path.lstrip("/") or "." for path in paths),
    }
    statements = [line for line in script("forced.sh").splitlines() if line[:1] != "#"]
    return re.sub(r"@([A-Z]+)@", lambda match: words[match[1]], "; ".join(statements))


def quoted(words: Iterable[str]) -> str:
    """Words for a shell, in single quotes only: dropbear takes double ones for the command's end.

    (OpenSSH, but not dropbear, takes the backslash before them away again.)
    """
    return " ".join("'" + word.replace("'", r"'\''") + "'" for word in words)


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
