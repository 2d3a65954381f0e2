"""Check: borg checks the repository and all archives in it. Nothing is repaired."""

from __future__ import annotations

from pathlib import Path

from borgpull import events, jobs
from borgpull.borg import messages, repository
from borgpull.errors import RepositoryDamaged
from borgpull.events import Emit
from borgpull.ops import standing
from borgpull.ops.standing import VERIFIED
from borgpull.ops.workspace import locked_borg
from borgpull.outputs.retention import Checked
from borgpull.results import Result
from borgpull.state import lastgood, ledger

# The number of borg's complaints that are shown. A broken disk may cause a million.
TOLD = 20
# All content of a large repository may take days to read.
SECONDS = 14 * 24 * 3600.0


def run(job: jobs.Check, emit: Emit) -> Result:
    """Check the repository. borg's complaints are shown before an error is raised.

    Raises RepositoryDamaged; ArchivesVanished, because a missing archive is not whole; borg's
    errors.
    """
    with locked_borg(job, emit) as borg:
        how = ", all data" if job.verify_data else ""
        events.phase(
            emit, "check", f"checking the repository and the archives of {job.client}{how}"
        )
        words = ["--verify-data"] if job.verify_data else []
        done = borg.run("check", *words, timeout=SECONDS)
        said = complaints(done.stderr)
        for text in said[:TOLD]:
            events.warning(emit, f"borg: {text}")
        if done.returncode != 0:  # for all damage, borg's code only says "warning"
            raise RepositoryDamaged(
                f"the repository of {job.client} is damaged: borg found {len(said)} fault(s)"
            )
        archives = repository.archives(borg)
        ledger.see(Path(job.places.state), job.client, archives)
        judged = standing.judge(job, archives)
        standing.tell_strangers(judged, emit)
        judged.require_none_vanished("the repository is whole")
        lastgood.record(Path(job.places.state), job.client, "check")
    data: Checked = {
        "verify_data": job.verify_data,
        "archives": len(judged.rows),
        "verified": len(judged.of(VERIFIED)),
    }
    return Result(verb=job.verb, client=job.client, data=data)


def complaints(log: str) -> list[str]:
    """borg's messages that are warnings or worse."""
    found = (messages.parse(line.encode(errors="replace")) for line in log.splitlines())
    return [
        str(message.get("message", ""))
        for message in found
        if message and message.get("levelname") in ("WARNING", "ERROR", "CRITICAL")
    ]
