"""A machine to restore to, for the ways that need one: an sshd of this run, in this container."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from borgpull import jobs
from borgpull.addresses import Target
from borgpull.jobs import Access, Restore
from borgpull.places import Places
from borgpull.ssh import hostkeys
from borgpull.ssh.keys import keypair
from borgpull.ssh.sshd import serving
from borgpull.verbs import WAYS

_HOST = "127.0.0.1"


@contextlib.contextmanager
def restore_to(job: jobs.Drill, folder: Path, root: Path, archive: str) -> Iterator[Restore]:
    """The restore of an archive below `root`, as a user would do it to a machine.

    `folder` is a private one. Raises SshServiceFailed.
    """
    wanted = {
        "client": job.client,
        "archive": archive,
        "how": job.how,
        "into": str(root),
        "numeric_ids": True,
        "lock_wait": job.lock_wait,
    }
    if WAYS[job.how].here:
        yield Restore(**wanted, places=job.places)  # type: ignore[arg-type]
        return
    with machine(folder, job.places) as (access, places):
        yield Restore(**wanted, access=access, places=places)  # type: ignore[arg-type]


@contextlib.contextmanager
def machine(folder: Path, places: Places) -> Iterator[tuple[Access, Places]]:
    """This container as a machine: the access to it, and places with its keys.

    `folder` is a private one. Raises SshServiceFailed.
    """
    place = folder / "target"
    place.mkdir(mode=0o700)
    key = keypair(place, "drill_key")
    with serving(place, key.public, None, listen=_HOST) as sshd:
        target = Target(user="root", host=_HOST, port=sshd.port)
        known = place / "known_hosts"
        known.write_text(f"{hostkeys.pattern(target)} {sshd.host_key}\n")
        keys = replace(places, ssh_key=str(key.private), known_hosts=str(known))
        yield Access(target=target), keys
