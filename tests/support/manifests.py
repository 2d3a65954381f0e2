"""Manifests as a test wants them: rendered, read back, built by kustomize."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from borgpull.cli.joblist import plans
from borgpull.cli.options import Launch, Through, Where
from borgpull.cli.planned import plan, when
from borgpull.cli.rendered import Timing
from borgpull.renderers import Files, kube

KUBECTL = Path(sys.executable).with_name("kubectl")
TIMING = Timing(schedule="30 2 * * *", timezone="Europe/Berlin")
# Each verb that runs unattended, as a user would write it.
UNATTENDED = {
    "sshfs": ["sshfs", "root@web1", "/etc"],
    "stream": ["stream", "root@web1", "/etc"],
    "pipe": ["pipe", "--init", "root@web1:2222", "/etc", "/home/a b$(HOME)"],
    "socat": ["socat", "--via", "root@jump:2200", "root@web1"],
    "agent": ["agent", "--connect-back", "node1:30022", "root@web1"],
    "forward": ["forward", "root@web1"],
    "prune": ["prune", "--keep-daily", "7", "web1"],
    "check": ["check", "--verify-data", "web1"],
    "drill": ["drill", "--sample", "1/14", "web1"],
}
Objects = list[dict[str, Any]]


def rendered(
    words: list[str], name: str = "web1", timing: Timing = TIMING, **settings: Any
) -> Files:
    found = plan(name, words, timing, Where(), Through(), Launch())
    return kube.render(found, kube.Settings(**settings))


def fleet(folder: Path, text: str, timing: Timing = TIMING, **settings: Any) -> Files:
    """One CronJob a line."""
    return kube.render_list("fl", _plans(folder, text, timing), kube.Settings(**settings))


def shards(folder: Path, text: str, number: int, timing: Timing = TIMING, **settings: Any) -> Files:
    found = _plans(folder, text, timing)
    return kube.render_shards("fl", found, number, partial(when, timing), kube.Settings(**settings))


def _plans(folder: Path, text: str, timing: Timing) -> list[Any]:
    path = folder / "jobs"
    path.write_text(text)
    return plans(str(path), partial(kube.name_of, "fl"), timing, Launch())


def objects(files: Mapping[str, str]) -> Objects:
    """The base's objects, as `kubectl apply` gets them."""
    return list(yaml.safe_load_all(kube.stream(files)))


def named(found: Objects, kind: str) -> dict[str, Any]:
    """The only object of that kind."""
    (one,) = [document for document in found if document["kind"] == kind]
    return one


def pod_of(cron_job: Mapping[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return spec


def built(files: Mapping[str, str], folder: Path, which: str = "base") -> Objects:
    """What `kubectl kustomize` makes of a folder of these files. It asks no cluster."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    argv = [str(KUBECTL), "kustomize", str(folder / which)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, "kustomize has something to say"
    return list(yaml.safe_load_all(done.stdout))
