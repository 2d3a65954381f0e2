"""`data` of `status`: of a server's folders or, with `--kube`, what a cluster tells of its jobs."""

from __future__ import annotations

from typing import TypedDict

from borgpull.outputs.lines import Nothing, Output
from borgpull.outputs.retention import Good, Status


class Try(TypedDict):
    """A run that has ended, as its pod tells it, or the Job where there is no pod."""

    time: str | None
    """When it ended: ISO 8601, in UTC."""
    exit_code: int | None
    """null: the cluster ended it, or it never began."""
    error: str
    """The name of borgpull's error, or the cluster's word, as `OOMKilled`; empty for none."""
    message: str
    hint: str
    archive: str | None
    """The archive that was made or restored."""
    warnings: int | None
    """null if it is not known."""
    final: bool
    """The cluster does not try again, until the next time of the schedule."""


class Scheduled(TypedDict):
    """A client and a verb, of a CronJob or of a Job by hand."""

    namespace: str
    client: str
    """Empty for a verb without one."""
    verb: str
    """`backup`, with a limit for backups, for a client of which there is none."""
    cronjob: str | None
    """null for a Job by hand; and where a limit is given, but nothing that it is about is there."""
    schedule: str | None
    time_zone: str | None
    """null: that of the cluster's controller."""
    suspended: bool
    next: str | None
    """The next time of the schedule: ISO 8601, with its offset; null if it is not known."""
    running: str | None
    """Since when it runs now: ISO 8601, in UTC."""
    waiting: str | None
    """What a pod waits for that has not begun, in the cluster's words."""
    good: Good
    """The last that ended well. What has never been is not `ok`, whatever the limit."""
    last: Try | None
    """The last run that has ended, whether well or not."""
    ok: bool
    """Is it green? The last try, if nothing follows it, must have ended well, too."""


class KubeStatus(TypedDict):
    """The jobs of a cluster, by namespace, client and verb. It failed if one is not `ok`."""

    jobs: list[Scheduled]


# A row a verb.
ROWS: dict[str, Output] = {
    "status": Output(data=Status | KubeStatus, failed=Status | KubeStatus | Nothing),
}
