"""`borgpull status --kube`, from the command line to a cluster's API and back, by kubectl."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from borgpull.errors import PassphraseWrong
from tests.support.cluster import Cluster, ago, ran, runs, word
from tests.support.manifests import KUBECTL, rendered
from tests.support.schemas import require_all

BORGPULL = Path(sys.executable).with_name("borgpull")


@dataclass
class Place:
    """A cluster, and the environment of its admin."""

    cluster: Cluster
    env: dict[str, str]

    def status(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        argv = [str(BORGPULL), "status", "--kube", *words]
        found = self.env | env
        return subprocess.run(argv, env=found, capture_output=True, text=True, check=False)

    def result(self, *words: str, code: int = 0) -> dict[str, Any]:
        done = self.status("--json", *words)
        assert (done.returncode, done.stderr) == (code, "")
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        require_all(lines)
        return dict(lines[-1])


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    cluster = Cluster()
    env = {name: text for name, text in os.environ.items() if not name.startswith("BORGPULL_")}
    env |= {"PATH": f"{KUBECTL.parent}:{os.environ['PATH']}", "HOME": str(tmp_path), "TZ": "UTC"}
    with cluster.serving(tmp_path) as config:
        yield Place(cluster, env | {"KUBECONFIG": config})


def test_a_table(place: Place) -> None:
    cluster = place.cluster
    (web1,) = cluster.apply(rendered(["pipe", "root@web1", "/etc"]))
    cluster.done(web1, ago(5), word("pipe", "web1", archive="web1-1"))
    (db1,) = cluster.apply(rendered(["pipe", "root@db1"], name="db1"))
    cluster.done(db1, ago(30))
    error = PassphraseWrong("the passphrase of \x1b[31mdb1 is wrong")
    cluster.failed(db1, ago(6), 40, word("pipe", "db1", error))
    (new,) = cluster.apply(rendered(["check", "new"], name="new"))
    new["spec"]["suspend"] = True
    cluster.pod(cluster.job(new, ago(1)), **runs(ago(1)))
    done = place.status("--max-backup-age", "26h")
    assert done.returncode == 57, done.stderr
    head, *rows = done.stdout.splitlines()
    assert head.split("  ")[0] == "CLIENT"
    time = r"[0-9-]{10}T[0-9:]{8}\+00:00"
    patterns = [
        rf"db1 +pipe \(db1\) +{time} \(30 h\) ! +40 PassphraseWrong +{time} +red; the pass.*",
        r"new +backup +never ! +- +- +red",
        rf"new +check \(new\) +never ! +- +suspended +red; running since {time}",
        rf"web1 +pipe \(web1\) +{time} \(5 h\) +0 +{time} +green",
    ]
    assert len(rows) == len(patterns)
    for row, pattern in zip(rows, patterns, strict=True):
        assert re.fullmatch(pattern, row), row
    assert "\x1b" not in done.stdout
    assert "3 of 4 job(s) not in order: db1 (pipe), new (backup), new (check)" in done.stderr


def test_json_and_chosen_clients(place: Place) -> None:
    for name in ("web1", "db1"):
        (cron,) = place.cluster.apply(rendered(["check", name], name=name))
        place.cluster.done(cron, ago(2))
    place.cluster.failed(cron, ago(1), 56)
    data = place.result("web1")["data"]
    assert [job["client"] for job in data["jobs"]] == ["web1"]
    found = place.result(code=57)
    assert [job["ok"] for job in found["data"]["jobs"]] == [False, True]
    assert found["failure"]["error"] == "Overdue"
    assert place.result("web1", "gone", code=10)["failure"]["error"] == "ConfigError"


def test_all_namespaces(place: Place) -> None:
    for space in ("one", "two"):
        place.cluster.apply(rendered(["check", "web1"]), namespace=space)
    done = place.status("-A")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["NAMESPACE", "one", "two"]
    assert place.status("-n", "two").stdout.splitlines()[0].startswith("CLIENT")


def test_nothing_must_not_look_healthy(place: Place) -> None:
    done = place.status()
    assert (done.returncode, done.stdout) == (0, "no jobs of borgpull here\n")
    done = place.status("--max-prune-age", "8d")
    assert done.returncode == 10 and "in namespace backups" in done.stderr


def test_a_cluster_that_refuses(place: Place) -> None:
    done = place.status("--context", "forbidden")
    assert done.returncode == 23 and "(Forbidden)" in done.stderr
    found = place.result("--context", "nobody", code=23)
    assert found["failure"]["error"] == "ClusterUnreadable"


def test_wrong_words(place: Place) -> None:
    for words in (["-n", "a/b"], ["-n", "a", "-A"]):
        assert place.status(*words).returncode == 2
    for words in (["--namespace", "a"], ["-A"], ["--context", "a"]):
        argv = [str(BORGPULL), "status", "--launcher", "here", *words]
        done = subprocess.run(argv, env=place.env, capture_output=True, text=True, check=False)
        assert done.returncode == 2 and "go with --kube" in done.stderr
    done = place.status(BORGPULL_SIDECAR="1")
    assert done.returncode == 10 and "on a host" in done.stderr
    assert place.cluster.asked == []


def test_pods_are_read_before_what_makes_them(place: Place) -> None:
    """So each one's Job and CronJob is there, unless it is being removed."""
    (cron,) = place.cluster.apply(rendered(["check", "web1"]))
    place.cluster.pod(place.cluster.job(cron, ago(2), ago(1)), **ran(0, ago(1)))
    assert place.status().returncode == 0
    kinds = [url.partition("?")[0].rpartition("/")[2] for url in place.cluster.asked]
    assert kinds == ["pods", "jobs", "cronjobs"]
