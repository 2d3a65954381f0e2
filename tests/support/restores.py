"""What tests of restores share: targets, and a comparison by a tool that is not ours."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.lab import TIMEOUT, Client, Completed, Lab, docker

TREE, INTO = "/srv/data", "/srv/hostile"  # both are volumes; the second is free here
RSYNC = f"borgpull-test-rsync-{os.getpid()}"  # tests may run in several processes
# What no restore by borg 1.4 can avoid: it stores no sockets, and only times from 1970 to 2038
# (helpers/time.py).
UNAVOIDABLE = [
    ".f..t...... times/after-2038",
    ".f..t...... times/before-1970",
    "cS+++++++++ special/socket",
]


@contextmanager
def rsync_image() -> Iterator[str]:
    script = "apt-get update && apt-get install -y rsync && find /var/lib/apt/lists -type f -delete"
    file = f"FROM borgpull-client\nRUN {script}\n".encode()
    argv = ["docker", "build", "-q", "-t", RSYNC, "-"]
    subprocess.run(argv, input=file, check=True, timeout=TIMEOUT, stdout=subprocess.DEVNULL)
    try:
        yield RSYNC
    finally:
        docker("rmi", "--force", RSYNC)


def volume(client: Client, path: str) -> str:
    mounts = json.loads(docker("inspect", "-f", "{{json .Mounts}}", client.name))
    return str(next(item["Name"] for item in mounts if item["Destination"] == path))


def differences(
    rsync: str,
    source: Client,
    target: Client,
    below: str = TREE,
    into: str = INTO,
    window: int = -1,
) -> list[str]:
    """What rsync would have to do to the target, with ACLs and xattrs.

    A `window` of -1 is to the nanosecond, 0 to the second.
    """
    return compared(rsync, volume(source, TREE), volume(target, into), below, window)


def compared(rsync: str, source: str, target: str, below: str, window: int = -1) -> list[str]:
    """The same for volumes, or folders of this machine."""
    flags = ("-aHAXn", "--numeric-ids", "--checksum", "--delete", "--itemize-changes")
    mounts = ["-v", f"{source}:/a:ro", "-v", f"{target}:/b:ro"]
    words = ["--entrypoint", "rsync", rsync, *flags, f"--modify-window={window}"]
    command = [*words, "/a/", f"/b{below}/"]
    return sorted(docker("run", "--rm", *mounts, *command).splitlines())


def restore(lab: Lab, source: Client, target: Client, *words: str) -> Completed:
    to = f"{target.address}:{INTO}"
    return lab.plain("restore", "--json", source.name, "--to", to, *words)


def ok(done: Completed) -> dict[str, Any]:
    assert done.rc == 0, done.stdout[-3000:] + done.stderr
    data: dict[str, Any] = done.result["data"]
    return data
