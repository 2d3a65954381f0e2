"""`render kube` as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from borgpull.cli.app import app
from tests.support.manifests import built

KUBE = ["render", "kube", "--name", "web1"]


def run(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [*KUBE, *words])
    return done.exit_code, done.stdout, done.stderr


def test_the_base_is_printed_as_one_stream() -> None:
    code, out, _ = run("--schedule", "30 2 * * *", "--timezone", "Europe/Berlin", "--", "pipe",
                       "root@web1", "/etc")  # fmt: skip
    assert code == 0
    kinds = [one["kind"] for one in yaml.safe_load_all(out)]
    assert kinds == ["ServiceAccount", "PersistentVolumeClaim", "NetworkPolicy", "CronJob"]


def test_files_are_ready_for_kustomize(tmp_path: Path) -> None:
    code, out, _ = run("--output", str(tmp_path), "--", "sshfs", "root@web1", "/etc")
    assert code == 0
    for which in ("base", "overlays/sshfs-device-plugin", "overlays/sshfs-userns"):
        assert f"{tmp_path}/{which}/kustomization.yaml" in out
        assert built({}, tmp_path, which)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "or a list by --jobs"),
        (["--jobs", "x", "--", "pipe", "root@web1"], "or a list by --jobs"),
        (["--shards", "2", "--", "pipe", "root@web1"], "shards are of a list"),
        (["--", "sshfs", "root@web1"], "needs more than the base"),
        (["--repo", "/srv", "--", "pipe", "root@web1"], "no such option: --repo"),
        (["--network", "x", "--", "pipe", "root@web1"], "no such option: --network"),
        (["--time-limit", "0h", "--", "pipe", "root@web1"], "can have"),
        (["--window", "01:00-05:00", "--schedule", "1 2 * * *", "--", "check", "web1"], "window"),
        (["--window", "1-5", "--", "check", "web1"], "window"),
    ],
)
def test_what_is_wrong_is_told(words: list[str], told: str) -> None:
    code, out, error = run(*words)
    assert (code, out) == (2, "")
    assert told in error


def test_a_list_without_jobs(tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text("# none\n")
    code, _, error = run("--jobs", str(tmp_path / "jobs"))
    assert code == 2 and "no job" in error
