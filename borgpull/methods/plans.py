"""What a verification must know of the run, from its job and the client's mounts."""

from __future__ import annotations

import time

from borgpull.client.mounts import Mounts
from borgpull.jail.wanted import Plan
from borgpull.jobs import Backup


def plan(job: Backup, mounts: Mounts) -> Plan:
    """The plan, made when the run begins: a file that is newer is no loss."""
    return Plan(
        roots=list(job.roots),
        exclude=list(job.exclude),
        left_out=mounts.points(),
        disks=list(mounts.disks),
        mounts=mounts.patterns(),
        allowed=list(job.allow_unreadable),
        started=time.time(),
    )
