"""authorized_keys lines for a client: the fewest rights that each method needs (sshd(8)).

`pipe` has a forced command, with which the key can do one thing: make an archive of these paths
with the client's own borg, and send it to the holder of the key. The command reads four lines on
standard input: what to do, the passphrase, the archive's name, and the compression or new name.
`timed` creates as `create` does, and reads a fifth line: the archive's time. A command of an older
version does not know `timed`, and would hand the fifth line to borg. So `timed` is used only if the
command says that it knows it. `roots` is no word to send. A command that says it gives borg no path
that lies in another one, and files after folders.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence

from borgpull.client import helper
from borgpull.client.facts import FORCED
from borgpull.client.shell import script
from borgpull.client.tight import UNPACK, packed, tight
from borgpull.errors import UsageError
from borgpull.trees.folders import roots
from borgpull.verbs import METHODS

# borg's status letters, without those of unchanged files and excluded paths. With these, an
# unchanged tree of 100,000 files would send 100,000 lines over the link.
FILTER = "AMCEhdsfbci?"
# Bytes of a line that every OpenSSH reads: 7.x skips longer ones (SSH_MAX_PUBKEY_BYTES, of which
# the line's end takes two).
MAX_LINE = (16 << 10) - 2


def forced_command(
    client: str, repository: str, borg: str, paths: Sequence[str], patterns: Sequence[str]
) -> str:
    """The command for the client's own borg; `repository` is its folder on the server.

    It is one word for sh, because sshd gives it to a login shell that may be another (csh, say).
    """
    named = list(dict.fromkeys(paths))
    words = {
        # Quoted twice: the shell there removes the first quotes, and the server splits the rest.
        "FORCED": quoted([f"{FORCED} {quoted(named)}"]),
        "URL": quoted([url(repository)]),
        "CLIENT": quoted([client]),
        "FILTER": FILTER,
        "BORG": quoted([borg]),
        "EXCLUDES": quoted(word for pattern in patterns for word in ("--exclude", pattern)),
        "NAMED": quoted(named),
        "PATHS": quoted(path.lstrip("/") or "." for path in roots(named)),
    }
    statements = [line for line in script("forced.sh").splitlines() if line[:1] != "#"]
    text = re.sub(r"@([A-Z]+)@", lambda match: words[match[1]], "; ".join(statements))
    return f"exec sh -c {quoted([text])}"


def limited_command(paths: Sequence[str]) -> str:
    """The command of a key for `stream`: our helper, and the only paths that it answers for.

    Every login shell reads its words alike. It has no quotes but these. A helper that is sent must
    not run: a key that runs what its holder sends is worth a shell. One that lies on the client as
    a file could be another version than ours, or be changed.
    """
    run = f"import sys,zlib,base64;exec({UNPACK})"
    words = [packed(tight(script("limited.py"))), packed(tight(helper.whole()))]
    named = [os.fsencode(path).hex() for path in dict.fromkeys(paths)]
    return f"exec python3 -I -S -c '{run}' {' '.join([*words, helper.checksum(), *named])}"


def quoted(words: Iterable[str]) -> str:
    """Words for a shell, in single quotes only: for dropbear a double quote ends the command.

    (A backslash before it helps with OpenSSH only.)
    """
    return " ".join("'" + word.replace("'", r"'\''") + "'" for word in words)


def url(repository: str) -> str:
    """The name of a client's repository for borg there: the same in each run and method."""
    return f"ssh://borgpull-sidecar{repository}"


def line(method: str, public_key: str, command: str | None = None) -> str:
    """The line for authorized_keys. Raises UsageError if the command cannot be in one line."""
    options = METHODS[method].authorized
    if command is not None:
        if "\n" in command or "\0" in command:
            raise UsageError("a path or pattern with a newline cannot be in authorized_keys")
        options += ',command="' + command.replace('"', '\\"') + '"'
    return f"{options} {public_key}"
