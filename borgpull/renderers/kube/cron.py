"""CronJobs, and the Jobs that they make."""

from __future__ import annotations

from borgpull.renderers.kube.failure import RETRIES, policy
from borgpull.renderers.kube.labels import meta
from borgpull.renderers.kube.text import Object
from borgpull.renderers.timetable import Timetable

# A start that is later than this is left out. Without a limit, a CronJob whose controller was down
# for a hundred starts never starts again.
LATE_SECONDS = 3600


def once(pod: Object, tags: dict[str, str], notes: dict[str, str], seconds: int) -> Object:
    """The template of a Job with one pod."""
    return {
        "metadata": {"labels": dict(tags), "annotations": dict(notes)},
        "spec": {
            "activeDeadlineSeconds": seconds,
            "backoffLimit": RETRIES,
            "podFailurePolicy": policy("FailJob"),
            "template": _template(pod, tags, notes),
        },
    }


def _template(pod: Object, tags: dict[str, str], notes: dict[str, str]) -> Object:
    return {"metadata": {"labels": dict(tags), "annotations": dict(notes)}, "spec": pod}


def cron_job(
    name: str, when: Timetable, tags: dict[str, str], notes: dict[str, str], job: Object
) -> Object:
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": meta(name, tags, notes),
        "spec": {
            "schedule": when.cron,
            "timeZone": when.zone,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": LATE_SECONDS,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": job,
        },
    }
