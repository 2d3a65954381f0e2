"""The files in examples/ are what the programs that read them expect."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cronsim import CronSim
from typer.testing import CliRunner

from borgpull.cli.app import app
from borgpull.cli.drilling import Drilling
from borgpull.cli.options import Where
from tests.support.rendered import assert_as_planned, of_run, planned

EXAMPLES = Path(__file__).parents[2] / "examples"
SCHEMAS = {
    "github-drill.yaml": "vendor.github-workflows",
    "gitlab-drill.yaml": "vendor.gitlab-ci",
    "compose-drill.yaml": "vendor.compose-spec",
}


def checked(path: Path, schema: str) -> int:
    argv = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    return subprocess.run(argv, capture_output=True, check=False).returncode


@pytest.mark.parametrize("name", SCHEMAS)
def test_it_is_as_its_schema_says(name: str, tmp_path: Path) -> None:
    assert checked(EXAMPLES / name, SCHEMAS[name]) == 0
    spoilt = tmp_path / name
    text = (EXAMPLES / name).read_text()
    for good, bad in (("runs-on", "run-on"), ("rules:", "rulez:\n  -"), ("services:", "service:")):
        text = text.replace(good, bad)
    spoilt.write_text(text)
    assert checked(spoilt, SCHEMAS[name]) != 0


# What makes the workflow unsafe, and the audit of zizmor that says so.
UNSAFE = {
    "permissions: {}": ("permissions: write-all", "excessive-permissions"),
    "persist-credentials: false": ("fetch-depth: 1", "artipacked"),
    "@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2": ("@v4", "unpinned-uses"),
    "web1 --sample": ("${{ github.event.issue.title }} --sample", "template-injection"),
}


def audits(path: Path) -> set[str]:
    """What zizmor finds in a workflow, without asking anybody."""
    program = Path(sys.executable).with_name("zizmor")
    argv = [str(program), "--offline", "--no-config", "--no-exit-codes", "--persona", "pedantic"]
    argv += ["--format", "json", str(path)]
    done = subprocess.run(argv, capture_output=True, check=True, timeout=60)
    return {finding["ident"] for finding in json.loads(done.stdout)}


def test_the_workflow_is_safe(tmp_path: Path) -> None:
    text = (EXAMPLES / "github-drill.yaml").read_text()
    assert audits(EXAMPLES / "github-drill.yaml") == set()
    spoilt = tmp_path / "drill.yaml"
    for good, (bad, audit) in UNSAFE.items():
        assert text.count(good) == 1
        spoilt.write_text(text.replace(good, bad))
        assert audit in audits(spoilt)


def test_the_service_of_compose_is_what_render_makes() -> None:
    """By the command in its first line."""
    first, _, text = (EXAMPLES / "compose-drill.yaml").read_text().partition("\n")
    name, *words = shlex.split(first.removeprefix("#"))
    done = CliRunner().invoke(app, words)
    assert (name, done.exit_code) == ("borgpull", 0), done.output
    assert text == done.stdout, first


# In place of docker: it keeps the words that it is called with, and fails as a drill may.
DOCKER = """#!/bin/sh
printf '%s\\0' "$@" >"$0.words"
exit 90
"""


def test_the_script_gives_its_container_what_a_drill_needs(tmp_path: Path) -> None:
    """No more and no less than the other forms: all of `launchers/needs.py`."""
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o755)
    variables = {"BORGPULL_REPO": "/srv/repo", "BORGPULL_STATE": "/srv/state"}
    variables |= {
        "BORGPULL_PASSPHRASE_FILE": "/srv/passphrase",
        "PATH": f"{tmp_path}:/usr/bin:/bin",
    }
    argv = ["sh", str(EXAMPLES / "drill.sh"), "web1", "--how", "local"]
    done = subprocess.run(argv, cwd=tmp_path, env=variables, check=False, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (90, b"", b"")
    program, *words = (tmp_path / "docker.words").read_text().removesuffix("\0").split("\0")
    assert program == "run"
    where = Where(repo="/srv/repo", state="/srv/state", passphrase_file="/srv/passphrase")
    drilling = Drilling(report=str(tmp_path / "drill-report"))
    plan = planned(["drill", *argv[2:]], where=where, drilling=drilling)
    assert_as_planned(of_run(words), plan)


def test_the_lines_of_cron_are_some() -> None:
    for line in (EXAMPLES / "drill.cron").read_text().splitlines():
        if line[:1].isdigit():
            next(CronSim(" ".join(line.split()[:5]), datetime.now(UTC)))
