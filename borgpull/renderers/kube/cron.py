"""CronJobs, and the Jobs that they make."""

from __future__ import annotations

from borgpull.renderers.kube.failure import RETRIES, policy
from borgpull.renderers.kube.labels import meta
from borgpull.renderers.kube.schedule import schedule
from borgpull.renderers.kube.text import Object
from borgpull.renderers.timetable import Timetable

# A start that is later than this is left out. Without a limit, a CronJob whose controller was down
# for a hundred starts never starts again.
LATE_SECONDS = 3600


def once(pod: Object, tags: dict[str, str], notes: dict[str, str], seconds: int) -> Object:
    """The template of a Job with one pod."""
    found = {"backoffLimit": RETRIES, "podFailurePolicy": policy("FailJob")}
    return _job(_meta(tags, notes), seconds, found, {"metadata": _meta(tags, notes), "spec": pod})


def _job(metadata: Object, seconds: int, how: Object, template: Object) -> Object:
    return {
        "metadata": metadata,
        "spec": {"activeDeadlineSeconds": seconds, **how, "template": template},
    }


def _meta(tags: dict[str, str], notes: dict[str, str]) -> Object:
    found: Object = {"labels": dict(tags)}
    return {**found, "annotations": dict(notes)} if notes else found


def indexed(
    pod: Object, tags: dict[str, str], notes: dict[str, str], seconds: int, number: int, most: int
) -> Object:
    """The template of a Job with a pod for each of `number` indexes, `most` of them at a time.

    An index that fails ends no other one. The notes are long: pods do without.
    """
    found = {
        "completionMode": "Indexed",
        "completions": number,
        "parallelism": min(most, number),
        "backoffLimitPerIndex": RETRIES,
        "maxFailedIndexes": number,
        "podFailurePolicy": policy("FailIndex"),
    }
    return _job(_meta(tags, notes), seconds, found, {"metadata": _meta(tags, {}), "spec": pod})


def cron_job(
    name: str, when: Timetable, tags: dict[str, str], notes: dict[str, str], job: Object
) -> Object:
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": meta(name, tags, notes),
        "spec": {
            "schedule": schedule(when),
            "timeZone": when.zone,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": LATE_SECONDS,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": job,
        },
    }
