"""`make kube` without a cluster: nothing is verified, and that is no success."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/kube.py"


@pytest.mark.parametrize("context", ["", "no-such-context"])
def test_no_cluster_is_never_green(context: str, tmp_path: Path) -> None:
    env = os.environ | {"CONTEXT": context, "KUBECONFIG": str(tmp_path / "none")}
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.startswith("not verified: no cluster")
