"""What a method cannot carry, counted on the client by the client's own tools."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence

from borgpull.client import walk
from borgpull.client.folder import Place
from borgpull.client.shell import script
from borgpull.client.sudo import as_root
from borgpull.errors import BorgpullError
from borgpull.process import CommandError, run
from borgpull.ssh.config import SshConfig

TIMEOUT = 900
NUMBER = re.compile(r"[0-9]{1,18}")
NAMES = ("hard_links", "devices", "sockets", "xattrs_and_acls", "times")

Losses = dict[str, int | None]
# Runs a script on the client, and returns what it prints. Raises CommandError, BorgpullError.
Shell = Callable[[bytes], bytes]


def by_sftp(
    config: SshConfig, paths: Sequence[str], skip: Sequence[str], *, sudo: bool = False
) -> Losses:
    """Number of files by NAMES; None if the client lacks a shell or the tool to count.

    `paths` are walked, but not what is at or below `skip`: the mounts that were left out.
    """

    def shell(text: bytes) -> bytes:
        argv = config.command(*as_root(sudo), "sh", "-s")
        return run(argv, timeout=TIMEOUT, stdin=text, check=False).stdout

    return _counted(shell, NAMES, ("count.sh", "count_sftp.sh", "count_times.sh"), paths, skip)


def by_borg(place: Place, paths: Sequence[str], skip: Sequence[str]) -> Losses:
    """As above, for what borg itself cannot carry: times."""
    words = (*as_root(place.sudo), "sh", "-s")

    def shell(text: bytes) -> bytes:
        return place.session.run(*words, stdin=text, timeout=TIMEOUT).stdout

    return _counted(shell, ("times",), ("count.sh", "count_times.sh"), paths, skip)


def _counted(
    shell: Shell,
    names: Sequence[str],
    scripts: Sequence[str],
    paths: Sequence[str],
    skip: Sequence[str],
) -> Losses:
    found: Losses = dict.fromkeys(names)
    try:
        text = shell(os.fsencode(walk.words(paths, skip) + "".join(map(script, scripts))))
    except (CommandError, BorgpullError):
        return found
    for line in text.decode(errors="replace").splitlines():
        name, _, number = line.partition(" ")
        if name in names and NUMBER.fullmatch(number):
            found[name] = int(number)
    return found
