"""Status of a cluster: what `borgpull status` is for the folders of one server."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from borgpull import jobs
from borgpull.errors import ConfigError, Overdue
from borgpull.kube import objects
from borgpull.kube.kubectl import Kubectl
from borgpull.kube.rows import gathered, rows
from borgpull.outputs.kube import KubeStatus, Scheduled
from borgpull.results import Failure, Result

SHOWN_NAMES = 20


def run(job: jobs.Status, kubectl: Kubectl) -> Result:
    """A row for each client and verb; the result has a failure if one is red.

    Raises ClusterUnreadable. Raises ConfigError if a client that is named is not there, or if a
    limit is given and there is nothing at all: another namespace must not look healthy.
    """
    place = kubectl.place()
    # What makes an object is read after it, so that it is there.
    pods = [objects.pod(item) for item in kubectl.listed("pods", place)]
    made = [objects.job(item) for item in kubectl.listed("jobs", place)]
    cron_jobs = [objects.cron_job(item) for item in kubectl.listed("cronjobs", place)]
    limits = {
        "backup": job.max_backup_age,
        "prune": job.max_prune_age,
        "check": job.max_check_age,
        "drill": job.max_drill_age,
    }
    found = rows(gathered(cron_jobs, made, pods), limits, datetime.now(UTC))
    where = f"namespace {place}" if place else "any namespace"
    if lost := [name for name in job.clients if name not in {row["client"] for row in found}]:
        raise ConfigError(f"there is no job of {', '.join(lost)} in {where}", hint=HINT)
    if not found and any(limit is not None for limit in limits.values()):
        raise ConfigError(f"there is no job of borgpull in {where}", hint=HINT)
    wanted = [row for row in found if not job.clients or row["client"] in job.clients]
    failure, data = judged(wanted), KubeStatus(jobs=wanted)
    return Result(verb=job.verb, ok=failure is None, failure=failure, data=data)


HINT = "name the namespace by --namespace, or say --all-namespaces"


def judged(found: Iterable[Scheduled]) -> Failure | None:
    """The failure, if a row is red."""
    all_rows = list(found)
    red = [f"{row['client'] or '-'} ({row['verb']})" for row in all_rows if not row["ok"]]
    if not red:
        return None
    more = f" and {len(red) - SHOWN_NAMES} more" if len(red) > SHOWN_NAMES else ""
    names = ", ".join(red[:SHOWN_NAMES])
    return Failure.of(Overdue(f"{len(red)} of {len(all_rows)} job(s) not in order: {names}{more}"))
