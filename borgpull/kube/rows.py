"""What becomes of a cluster's objects: a row for each client and verb of a CronJob."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from borgpull.errors import UsageError
from borgpull.kube.objects import CronJob, Job, Pod, number, text
from borgpull.ops.status import good
from borgpull.outputs.kube import Scheduled, Try
from borgpull.renderers.timetable import Timetable
from borgpull.verbs import METHODS

# Namespace, client, verb, and the CronJob's name, empty for Jobs by hand.
Key = tuple[str, str, str, str]
LATE = "DeadlineExceeded"  # what a Job says that its time limit has ended
# A pod's place: namespace, Job, index.
Place = tuple[str, str, int]
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A run that has ended."""

    when: datetime | None
    exit_code: int | None
    final: bool
    pod: Pod | None
    error: str
    message: str

    @property
    def ok(self) -> bool:
        return self.exit_code == 0


@dataclass
class Seen:
    """What is known of a row."""

    cron: CronJob | None = None
    good: datetime | None = None
    last: Ended | None = None
    final: Ended | None = None  # the last that nothing follows before the schedule's next time
    running: datetime | None = None
    waiting: str = ""

    def went_well(self, when: datetime | None) -> None:
        self.good = max(filter(None, (self.good, when)), default=None)

    def add(self, found: Ended) -> None:
        self.last = later(self.last, found)
        if found.final:
            self.final = later(self.final, found)

    def failed(self) -> bool:
        """Has it failed since it last ended well, and is there nothing more to come?"""
        found = self.final
        if found is None or found.ok:
            return False
        return self.good is None or (found.when or LONG_AGO) > self.good


def later(one: Ended | None, other: Ended) -> Ended:
    """The one that ended later; of two at once, that which ended well."""
    if one is None:
        return other
    return max(one, other, key=lambda found: (found.when or LONG_AGO, found.ok))


def gathered(
    cron_jobs: Sequence[CronJob], jobs: Sequence[Job], pods: Sequence[Pod]
) -> dict[Key, Seen]:
    """All that is known of each row.

    The lists were read one after the other. What is of a Job or CronJob that is gone is left out.
    """
    seen: defaultdict[Key, Seen] = defaultdict(Seen)
    for cron in cron_jobs:
        for client in cron.clients or ("",):
            row = seen[cron.namespace, client, cron.verb, cron.name]
            row.cron = cron
            # A shard's Job ends well if all of its clients do. Then it ends with the last of them.
            if len(cron.clients) < 2 and not cron.dry:
                row.went_well(cron.succeeded)
    names = {(cron.namespace, cron.name) for cron in cron_jobs}
    there = {
        (job.namespace, job.name): job
        for job in jobs
        if not job.owner or (job.namespace, job.owner) in names
    }
    told: dict[Place, list[Pod]] = defaultdict(list)
    for pod in pods:
        job = there.get((pod.namespace, pod.owner))
        if job is not None:
            told[pod.namespace, pod.owner, pod.index].append(pod)
        elif not pod.owner:
            add_pod(seen[pod.namespace, (*pod.clients, "")[0], pod.verb, ""], pod, None)
    for job in there.values():
        for index, client in enumerate(job.clients or ("",)):
            row = seen[job.namespace, client, job.verb, job.owner]
            add_job(row, job, index, told.get((job.namespace, job.name, index), []))
    return dict(seen)


def add_job(row: Seen, job: Job, index: int, pods: Iterable[Pod]) -> None:
    """What a Job tells of one of its clients, and what the pods of that client do."""
    pods = list(pods)
    for pod in pods:
        add_pod(row, pod, job)
    well = index in job.done if job.indexed else job.complete
    if well and not job.dry and not any(pod.told.get("dry_run") is True for pod in pods):
        # When the client's pod is gone, all that is known of a shard's is when the Job began.
        row.went_well(job.started if job.indexed else job.ended)
    lost = not well and (job.failed or index in job.gave_up)
    if lost and not any(pod.ended for pod in pods):
        row.add(
            Ended(
                when=job.ended or job.started,
                exit_code=None,
                final=True,
                pod=None,
                error=job.reason,
                message=job.message,
            )
        )
    if not (well or lost or job.complete or pods or row.waiting):
        row.waiting = "its turn" if job.indexed else "a pod"


def add_pod(row: Seen, pod: Pod, job: Job | None) -> None:
    if pod.running is not None:
        row.running = pod.running
    if pod.waiting:
        row.waiting = pod.waiting
    if pod.ended is None:
        return
    over = job is None or job.complete or job.failed or pod.index in job.gave_up
    known = "" if pod.reason in ("Error", "Completed") else pod.reason
    error, message = text(pod.told, "error") or known, text(pod.told, "message") or pod.message
    if job is not None and job.reason == LATE and pod.exit_code != 0:
        error, message = job.reason, job.message
    found = Ended(
        when=pod.ended,
        exit_code=pod.exit_code,
        final=over or pod.exit_code == 0,
        pod=pod,
        error=error,
        message=message,
    )
    row.add(found)
    if found.ok and not pod.dry and pod.told.get("dry_run") is not True:
        row.went_well(pod.ended)


def rows(
    seen: Mapping[Key, Seen], limits: Mapping[str, int | None], now: datetime
) -> list[Scheduled]:
    """The rows, by their keys; with a limit, one for each client that it finds nothing of, too.

    `limits` in seconds, of backups, prunes, checks and drills; None for no limit.
    """
    found = dict(seen)
    clients = {(key[0], key[1]) for key in seen if key[1]}
    kinds = {(key[0], key[1], kind_of(key[2])) for key in seen}
    for kind, limit in limits.items():
        if limit is not None:
            for space, client in clients:
                if (space, client, kind) not in kinds:
                    found[space, client, kind, ""] = Seen()
    return [row(key, found[key], limits, now) for key in sorted(found)]


def kind_of(verb: str) -> str:
    """By which limit a verb goes."""
    return "backup" if verb in METHODS else verb


def row(key: Key, seen: Seen, limits: Mapping[str, int | None], now: datetime) -> Scheduled:
    namespace, client, verb, name = key
    cron = seen.cron
    stamp = None if seen.good is None else int(seen.good.timestamp())
    last_good = good(stamp, limits.get(kind_of(verb)), int(now.timestamp()))
    last_good["ok"] = last_good["ok"] and stamp is not None
    return {
        "namespace": namespace,
        "client": client,
        "verb": verb,
        "cronjob": name or None,
        "schedule": cron.schedule if cron else None,
        "time_zone": (cron.zone or None) if cron else None,
        "suspended": cron is not None and cron.suspended,
        "next": following(cron, now),
        "running": _utc(seen.running),
        "waiting": seen.waiting or None,
        "good": last_good,
        "last": None if seen.last is None else last_try(seen.last),
        "ok": last_good["ok"] and not seen.failed(),
    }


def last_try(found: Ended) -> Try:
    told = found.pod.told if found.pod is not None else {}
    return {
        "time": _utc(found.when),
        "exit_code": found.exit_code,
        "error": found.error,
        "message": found.message,
        "hint": text(told, "hint"),
        "archive": text(told, "archive") or None,
        "warnings": number(told, "warnings"),
        "final": found.final,
    }


def following(cron: CronJob | None, now: datetime) -> str | None:
    """The next time of a CronJob; None if that is not known, or if there is none."""
    if cron is None or cron.suspended or not cron.zone:
        return None
    try:
        here = now.astimezone(ZoneInfo(cron.zone)).replace(tzinfo=None)
        found = Timetable(cron=cron.schedule, zone=cron.zone).after(here, 1)
    except (UsageError, ZoneInfoNotFoundError, ValueError, OSError):  # a cluster may know more
        return None
    return found[0].isoformat(timespec="seconds") if found else None


def _utc(when: datetime | None) -> str | None:
    return None if when is None else when.astimezone(UTC).isoformat(timespec="seconds")
