"""Trust a client's host key: show its fingerprints, and pin them once the user has compared."""

from __future__ import annotations

from pathlib import Path

from borgpull.errors import UnknownHostKey
from borgpull.events import Emit
from borgpull.model import JobSpec, Result
from borgpull.ssh import hostkeys
from borgpull.ssh.config import PINNED


def run(job: JobSpec, emit: Emit) -> Result:
    """Scan; pin the key whose fingerprint is `job.fingerprint`; without one only report.

    Raises HostUnreachable, UnknownHostKey (another fingerprint), ChangedHostKey.
    """
    assert job.target is not None
    lines = hostkeys.scan(job.target)
    offered = {hostkeys.fingerprint(line): line for line in lines}
    known_hosts = Path(job.places.state) / PINNED
    pinned = False
    if job.fingerprint is not None:
        wanted = job.fingerprint.split(",")
        chosen = [line for text, line in offered.items() if text.split()[0] in wanted]
        if not chosen:
            raise UnknownHostKey(
                f"{job.target} does not offer {job.fingerprint}; it offers {', '.join(offered)}",
                hint="compare again: this may be another machine",
            )
        hostkeys.pin(job.target, chosen, known_hosts, replace=job.replace)
        pinned = True
    old = [hostkeys.fingerprint(line) for line in hostkeys.pinned(job.target, known_hosts)]
    data = {"host": str(job.target), "offered": list(offered), "pinned": old, "added": pinned}
    return Result(verb=job.verb, client=job.client, data=data)
