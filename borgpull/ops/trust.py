"""Trust a client's host key: show its fingerprints, and pin them once the user has compared."""

from __future__ import annotations

from pathlib import Path

from borgpull import jobs
from borgpull.errors import UnknownHostKey
from borgpull.events import Emit
from borgpull.ops.private import private_folder
from borgpull.outputs.hosts import Trust
from borgpull.results import Result
from borgpull.ssh import hostkeys, machine, route, scan
from borgpull.ssh.config import PINNED


def run(job: jobs.Trust, emit: Emit) -> Result:
    """Scan, and pin the key whose fingerprint is `job.fingerprint`; without one only report.

    Raises HostUnreachable, UnknownHostKey (another fingerprint), ChangedHostKey, and the errors of
    the jump host.
    """
    target, state = job.route.target, Path(job.places.state)
    lines = _scan(job)
    offered = {hostkeys.fingerprint(line): line for line in lines}
    known_hosts = state / PINNED
    pinned = False
    if job.fingerprint is not None:
        wanted = job.fingerprint.split(",")
        chosen = [line for text, line in offered.items() if text.split()[0] in wanted]
        if not chosen:
            raise UnknownHostKey(
                f"{target} does not offer {job.fingerprint}; it offers {', '.join(offered)}",
                hint="compare again: this may be another machine",
            )
        hostkeys.pin(target, chosen, known_hosts, replace=job.replace)
        if job.replace:
            machine.replaced(state, target, chosen, job.name)
        pinned = True
    old = [hostkeys.fingerprint(line) for line in hostkeys.pinned(target, known_hosts)]
    data: Trust = {
        "host": str(target),
        "offered": list(offered),
        "pinned": old,
        "added": pinned,
    }
    return Result(verb=job.verb, client=job.client, data=data)


def _scan(job: jobs.Trust) -> list[str]:
    way = job.route
    if way.via is None and not way.ssh_options:
        return hostkeys.scan(way.target)
    with private_folder() as folder:
        config = route.to_client(way, job.places, job.client, folder)
        return scan.scan(config, folder, way.ssh_options)
