"""What SFTP cannot carry, counted on the client by its own tools where it has them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from borgpull.process import CommandError, run
from borgpull.ssh.config import SshConfig

TIMEOUT = 900
NAMES = ("hard_links", "devices", "sockets", "xattrs_and_acls")
# One line `name count` each; a client without the tool prints none, and we say "not counted".
_SCRIPT = r"""
exec 2>/dev/null
nuls() { tr -dc '\0' | wc -c | tr -d ' '; }
can() { find / -maxdepth 0 "$@" -print0 >/dev/null; }
can -links +1 && echo "hard_links $(find PATHS PRUNE -type f -links +1 -print0 | nuls)"
can -type s && echo "sockets $(find PATHS PRUNE -type s -print0 | nuls)"
can -type b && echo "devices $(find PATHS PRUNE '(' -type b -o -type c ')' -print0 | nuls)"
if command -v getfattr >/dev/null; then
  found=$(find PATHS PRUNE -print0 | xargs -0 getfattr -h -m - -- | grep -c '^# file')
  echo "xattrs_and_acls $found"
fi
"""


def count(config: SshConfig, paths: Sequence[str], skip: Sequence[str]) -> dict[str, int | None]:
    """Number of files by NAMES; None where the client has no shell, or not the tool, to count.

    `skip` are the mounts that the backup left out.
    """
    found: dict[str, int | None] = dict.fromkeys(NAMES)
    script = _SCRIPT.replace("PATHS", " ".join(shlex.quote(path) for path in paths))
    prune = " -o ".join(f"-path {shlex.quote(glob_escape(path))}" for path in skip)
    script = script.replace("PRUNE", f"'(' {prune} ')' -prune -o" if prune else "")
    try:
        done = run(config.command("sh", "-s"), timeout=TIMEOUT, stdin=script.encode(), check=False)
    except CommandError:
        return found
    for line in done.stdout.decode(errors="replace").splitlines():
        name, _, number = line.partition(" ")
        if name in NAMES and number.isdigit():
            found[name] = int(number)
    return found


def glob_escape(path: str) -> str:
    """For find's -path, which reads its argument as a glob."""
    return re.sub(r"([*?\[\\])", r"\\\1", path)
