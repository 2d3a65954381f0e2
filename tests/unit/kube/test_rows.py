"""What a row says: when it last ended well, how its last try ended, and when that makes it red."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from borgpull.errors import HostUnreachable, PassphraseWrong
from borgpull.kube import objects
from borgpull.kube.rows import following, gathered, rows
from borgpull.outputs.kube import Scheduled
from tests.support.cluster import NOW, Cluster, Object, ago, ran, runs, stamp, waits, word
from tests.support.manifests import rendered, shards

PIPE = ["pipe", "root@web1", "/etc"]
NONE: dict[str, int | None] = {"backup": None, "prune": None, "check": None}
DAY = NONE | {"backup": 26 * 3600}


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def cron(cluster: Cluster) -> Object:
    (found,) = cluster.apply(rendered(PIPE))
    return found


def seen(cluster: Cluster, limits: dict[str, int | None] = NONE) -> list[Scheduled]:
    found = gathered(
        [objects.cron_job(item) for item in cluster.cronjobs],
        [objects.job(item) for item in cluster.jobs],
        [objects.pod(item) for item in cluster.pods],
    )
    return rows(found, limits, NOW)


def one(cluster: Cluster, limits: dict[str, int | None] = NONE) -> Scheduled:
    (found,) = seen(cluster, limits)
    return found


def last(row: Scheduled) -> dict[str, Any]:
    assert row["last"] is not None
    return dict(row["last"])


def test_never_is_red_whatever_the_limit(cluster: Cluster, cron: Object) -> None:
    row = one(cluster)
    assert (row["namespace"], row["client"], row["verb"]) == ("backups", "web1", "pipe")
    assert (row["cronjob"], row["schedule"], row["time_zone"]) == (
        *("web1", "30 2 * * *", "Europe/Berlin"),
    )
    assert (row["good"]["time"], row["good"]["ok"], row["last"]) == (None, False, None)
    assert not row["ok"] and not row["suspended"]
    assert row["running"] is row["waiting"] is None


def test_a_good_run(cluster: Cluster, cron: Object) -> None:
    cluster.done(cron, ago(5), word("pipe", "web1", archive="web1-1"))
    row = one(cluster, DAY)
    assert row["ok"] and row["good"]["age"] == 5 * 3600
    assert last(row) == {
        "time": ago(5).isoformat(),
        "exit_code": 0,
        "error": "",
        "message": "",
        "hint": "",
        "archive": "web1-1",
        "warnings": 0,
        "final": True,
    }


def test_too_old(cluster: Cluster, cron: Object) -> None:
    cluster.done(cron, ago(27))
    assert not one(cluster, DAY)["ok"]
    assert one(cluster)["ok"]


def test_history_that_is_gone(cluster: Cluster, cron: Object) -> None:
    """The CronJob remembers its last good Job when that and its pods are removed."""
    cron["status"]["lastSuccessfulTime"] = stamp(ago(3))
    row = one(cluster, DAY)
    assert row["ok"] and row["good"]["age"] == 3 * 3600 and row["last"] is None


def test_a_last_try_that_failed_is_red(cluster: Cluster, cron: Object) -> None:
    cluster.done(cron, ago(10))
    error = PassphraseWrong("it is wrong for web1")
    cluster.failed(cron, ago(2), 40, word("pipe", "web1", error))
    row = one(cluster, DAY)
    assert row["good"]["ok"] and not row["ok"]
    found = last(row)
    assert (found["exit_code"], found["error"], found["final"]) == (40, "PassphraseWrong", True)
    assert (found["message"], found["hint"]) == (error.message, error.hint)
    cluster.done(cron, ago(1))
    assert one(cluster, DAY)["ok"]


def test_a_try_that_another_one_follows(cluster: Cluster, cron: Object) -> None:
    """The cluster tries again what a later try can cure: no failure yet."""
    cluster.done(cron, ago(10))
    job = cluster.job(cron, ago(2))
    error = HostUnreachable("cannot reach root@web1")
    cluster.pod(job, **ran(33, ago(1), word("pipe", "web1", error)))
    cluster.pod(job, **runs(ago(0.5)))
    row = one(cluster)
    assert row["ok"] and row["running"] == ago(0.5).isoformat()
    assert (last(row)["exit_code"], last(row)["final"]) == (33, False)
    job["status"]["conditions"] = [
        {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}
    ]
    assert not one(cluster)["ok"]


@pytest.mark.parametrize("gone", [False, True])
def test_a_time_limit(cluster: Cluster, cron: Object, gone: bool) -> None:
    """The Job's controller removes the pod. Where it is still there, SIGTERM is not the cause."""
    cluster.done(cron, ago(30))
    job = cluster.job(cron, ago(26), ago(2), failed="DeadlineExceeded")
    if not gone:
        cluster.pod(job, **ran(143, ago(2)))
    row = one(cluster)
    assert not row["ok"]
    assert last(row)["exit_code"] == (None if gone else 143)
    assert last(row)["error"] == "DeadlineExceeded" and "Job has failed" in last(row)["message"]


def test_killed_by_the_cluster(cluster: Cluster, cron: Object) -> None:
    """A word that was written before the kill is not that of the end."""
    told = word("pipe", "web1", archive="web1-1")
    cluster.failed(cron, ago(2), 137, told, reason="OOMKilled")
    found = last(one(cluster))
    assert (found["exit_code"], found["error"], found["archive"]) == (137, "OOMKilled", None)
    assert found["message"] == told  # as it is: nobody knows what it is


def test_a_shard_that_its_time_limit_ends(cluster: Cluster, tmp_path: Path) -> None:
    """What had ended well before that, has."""
    lines = "pipe --name a root@a\npipe --name b root@b"
    (cron,) = cluster.apply(shards(tmp_path, lines, 1))
    job = cluster.job(cron, ago(26), ago(2), failed="DeadlineExceeded", completedIndexes="0")
    cluster.pod(job, 0, **ran(0, ago(9)))
    cluster.pod(job, 1, **ran(143, ago(2)))
    assert [(last(row)["error"], row["ok"]) for row in seen(cluster)] == [
        *[("", True), ("DeadlineExceeded", False)],
    ]


def test_no_pod_could_be_made_or_begun(cluster: Cluster, cron: Object) -> None:
    """A quota, a policy or an image in the way."""
    job = cluster.job(cron, ago(1))
    assert one(cluster)["waiting"] == "a pod"
    cluster.pod(job, **waits("ImagePullBackOff"))
    assert one(cluster)["waiting"] == "ImagePullBackOff"


def test_a_dry_run_is_no_backup(cluster: Cluster, cron: Object) -> None:
    cluster.pod(cluster.job(cron, ago(3)), **ran(0, ago(2), word("pipe", "web1", dry_run=True)))
    cluster.jobs[0]["status"] |= {
        "completionTime": stamp(ago(2)),
        "conditions": [{"type": "Complete", "status": "True"}],
    }
    assert one(cluster)["good"]["time"] is None
    dry = Cluster()
    (cron,) = dry.apply(rendered([*PIPE, "--dry-run"]))
    dry.done(cron, ago(1))
    assert dry.cronjobs[0]["status"]["lastSuccessfulTime"]
    assert one(dry)["good"]["time"] is None


def test_suspended(cluster: Cluster, cron: Object) -> None:
    """Forgotten is what such a client is. Its age still counts."""
    cluster.done(cron, ago(27))
    cron["spec"]["suspend"] = True
    row = one(cluster, DAY)
    assert row["suspended"] and row["next"] is None and not row["ok"]


def test_two_cron_jobs_of_one_client_have_two_rows(cluster: Cluster, cron: Object) -> None:
    """The one that works does not hide the other."""
    (other,) = cluster.apply(rendered([*PIPE[:2], "/home"], name="web1-home"))
    cluster.done(cron, ago(1))
    cluster.failed(other, ago(1), 45)
    assert {row["cronjob"]: row["ok"] for row in seen(cluster)} == {
        "web1": True,
        "web1-home": False,
    }


def test_a_job_by_hand(cluster: Cluster, cron: Object) -> None:
    """That of `kubectl create job --from` has its CronJob for an owner. Another one has none."""
    cluster.done(cron, ago(1))
    del cluster.jobs[0]["metadata"]["ownerReferences"]
    assert {row["cronjob"]: row["ok"] for row in seen(cluster)} == {None: True, "web1": True}
    cron["status"].clear()
    assert {row["cronjob"]: row["ok"] for row in seen(cluster)} == {None: True, "web1": False}


def test_what_is_being_removed_is_left_out(cluster: Cluster, cron: Object) -> None:
    """The lists are read one after the other."""
    (other,) = cluster.apply(rendered(["check", "db1"], name="db1"))
    cluster.done(other, ago(1))
    cluster.cronjobs.remove(other)
    cluster.done(cron, ago(1))
    cluster.jobs.pop()
    assert [row["client"] for row in seen(cluster)] == ["web1"]


def test_a_limit_finds_what_was_never_made(cluster: Cluster, cron: Object) -> None:
    cluster.done(cron, ago(1))
    found = seen(cluster, DAY | {"prune": 3600 * 200})
    assert [(row["verb"], row["cronjob"], row["ok"]) for row in found] == [
        *[("pipe", "web1", True), ("prune", None, False)],
    ]
    assert found[1]["good"] == {"time": None, "age": None, "max_age": 720000, "ok": False}
    only = Cluster()
    (check,) = only.apply(rendered(["check", "web1"]))
    only.done(check, ago(1))
    assert [(row["verb"], row["ok"]) for row in seen(only, DAY)] == [
        *[("backup", False), ("check", True)],
    ]


def test_each_kind_has_its_own_limit(cluster: Cluster) -> None:
    limits: dict[str, int | None] = {"backup": 7200, "prune": 14400, "check": 28800}
    for verb, more in (("pipe", []), ("prune", ["--keep-last", "1"]), ("check", [])):
        words = [verb, *more, "root@web1" if verb == "pipe" else "web1"]
        (cron,) = cluster.apply(rendered(words, name=f"web1-{verb}"))
        cluster.done(cron, ago(3))
    assert {row["verb"]: row["ok"] for row in seen(cluster, limits)} == {
        "pipe": False,
        "prune": True,
        "check": True,
    }


def test_a_shard(cluster: Cluster, tmp_path: Path) -> None:
    """Each client has its own end: one's failure is not another's, nor is one's success."""
    names = ["done", "gone", "failed", "again", "runs", "waits", "next", "lost"]
    lines = "\n".join(f"pipe --name {name} root@{name}" for name in names)
    (cron,) = cluster.apply(shards(tmp_path, lines, 1))
    cron["status"]["lastSuccessfulTime"] = stamp(ago(1))  # as if it was another list's
    job = cluster.job(cron, ago(6), completedIndexes="0-1", failedIndexes="2,7")
    unreachable = word("pipe", "x", HostUnreachable("cannot reach it"))
    cluster.pod(job, 0, **ran(0, ago(5)))
    cluster.pod(job, 2, **ran(45, ago(4)))
    cluster.pod(job, 3, **ran(33, ago(3), unreachable))
    cluster.pod(job, 4, **runs(ago(2)))
    cluster.pod(job, 5, **waits("ContainerCreating"))
    found = {row["client"]: row for row in seen(cluster)}
    assert list(found) == sorted(names)
    ages = {name: row["good"]["age"] for name, row in found.items() if row["good"]["age"]}
    # Where the pod is gone, nobody knows more than when the Job began.
    assert ages == {"done": 5 * 3600, "gone": 6 * 3600}
    finals = {name: row["last"]["final"] for name, row in found.items() if row["last"]}
    assert finals == {"done": True, "failed": True, "again": False, "lost": True}
    assert last(found["lost"])["time"] == ago(6).isoformat()
    assert found["runs"]["running"] == ago(2).isoformat()
    waiting = {name: row["waiting"] for name, row in found.items() if row["waiting"]}
    assert waiting == {"waits": "ContainerCreating", "next": "its turn"}
    assert {name for name, row in found.items() if row["ok"]} == {"done", "gone"}


def test_a_shard_at_its_end(cluster: Cluster, tmp_path: Path) -> None:
    """Its Job failed, as one client did. The others are good nevertheless, at their own times."""
    lines = "pipe --name a root@a\npipe --name b root@b\npipe --name c root@c"
    (cron,) = cluster.apply(shards(tmp_path, lines, 1))
    indexes = {"completedIndexes": "0,2", "failedIndexes": "1"}
    job = cluster.job(cron, ago(9), ago(2), failed="FailedIndexes", **indexes)
    cluster.pod(job, 0, **ran(0, ago(8)))
    cluster.pod(job, 1, **ran(40, ago(7)))
    assert {row["client"]: row["ok"] for row in seen(cluster)} == {"a": True, "b": False, "c": True}
    assert [row["good"]["age"] for row in seen(cluster)] == [8 * 3600, None, 9 * 3600]
    whole = cluster.job(cron, ago(1), ago(0), completedIndexes="0-2")
    assert [row["good"]["age"] for row in seen(cluster)] == [3600] * 3
    cluster.pod(whole, 1, **ran(0, ago(0.5)))
    assert [row["good"]["age"] for row in seen(cluster)] == [3600, 1800, 3600]


@pytest.mark.parametrize(
    ("schedule", "zone", "found"),
    [
        ("30 2 * * *", "Europe/Berlin", "2026-07-02T02:30:00+02:00"),
        ("0 0 1 1 *", "UTC", "2027-01-01T00:00:00+00:00"),
        ("30 2 * * *", "", None),  # the controller's own, which nobody tells
        ("@every 1h", "UTC", None),
        ("nonsense", "UTC", None),
        ("30 2 * * *", "Mars/Olympus", None),
        ("30 2 * * *", "../etc/passwd", None),
        ("0 0 30 2 *", "UTC", None),
    ],
)
def test_the_next_time(schedule: str, zone: str, found: str | None) -> None:
    spec = {"schedule": schedule, "timeZone": zone}
    now = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert following(objects.cron_job({"spec": spec}), now) == found
