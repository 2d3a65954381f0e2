"""`make kube` without a cluster: nothing is verified, and that is no success."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.manifests import pod_of

SCRIPT = Path(__file__).parents[2] / "scripts/kube.py"


@pytest.mark.parametrize("context", ["", "no-such-context"])
def test_no_cluster_is_never_green(context: str, tmp_path: Path) -> None:
    env = os.environ | {"CONTEXT": context, "KUBECONFIG": str(tmp_path / "none")}
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.startswith("not verified: no cluster")


def test_its_jobs_share_the_volume_that_the_backup_brings() -> None:
    """On a cluster, a pod would wait for any other one until the end of its time."""
    kube = runpy.run_path(str(SCRIPT))
    jobs = {
        "backup": ("pipe", "--init", "--name", kube["CLIENT"], "root@there", "/etc"),
        "check": ("check", kube["CLIENT"]),
    }
    made, used = [], set()
    for name, words in jobs.items():
        for found in yaml.safe_load_all(kube["rendered"](name, words)):
            if found["kind"] == "PersistentVolumeClaim":
                made.append(found["metadata"]["name"])
            if found["kind"] == "CronJob":
                used |= {
                    volume["persistentVolumeClaim"]["claimName"]
                    for volume in pod_of(found)["volumes"]
                    if "persistentVolumeClaim" in volume
                }
    assert made == sorted(used)
