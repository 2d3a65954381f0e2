"""The units of a job: systemd has nothing to say about them, and its engine runs one at a time."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from borgpull.launchers.needs import STOP_SECONDS
from borgpull.renderers.systemd import render
from tests.support.rendered import COMMANDS, at_rung, keys, planned

there = all(map(shutil.which, ("systemd-analyze", "docker")))


@pytest.mark.skipif(not there and not os.environ.get("CI"), reason="no systemd or docker here")
def test_systemd_finds_no_fault(tmp_path: Path) -> None:
    paths = []
    for number, words in enumerate(COMMANDS.values()):
        for rung in ("userns", "sys-admin"):
            plan = planned(words, name=f"job{number}-{rung}", launch=at_rung(rung))
            for name, text in render(plan).items():
                (tmp_path / name).write_text(text)
                if not name.endswith(".json"):
                    paths.append(str(tmp_path / name))
    (tmp_path / "bad.timer").write_text("[Timer]\nOnCalendar=never\n")
    good, bad = verified(*paths), verified(str(tmp_path / "bad.timer"))
    assert (good.returncode, good.stderr) == (0, "")
    assert "calendar specification" in bad.stderr


def verified(*paths: str) -> subprocess.CompletedProcess[str]:
    argv = ["systemd-analyze", "verify", "--man=no", *paths]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)


def test_a_name_holds_one_container() -> None:
    service = keys(render(planned(COMMANDS["pipe"]))["web1.service"])
    (start,), (before,) = service["Service.ExecStart"], service["Service.ExecStartPre"]
    assert "--name borgpull-web1 " in start
    label = "borgpull.unit=web1"
    assert f"--label {label} " in start
    # What was made and never started has the name, too. What runs is left alone.
    assert f"container prune --force --filter label={label} " in before


def test_the_job_has_its_time_to_end() -> None:
    service = keys(render(planned(COMMANDS["pipe"]))["web1.service"])
    assert int(service["Service.TimeoutStopSec"][0]) > STOP_SECONDS
    assert service["Service.KillMode"] == ["mixed"]
    assert "Service.SuccessExitStatus" not in service


def test_it_waits_for_a_network_only_if_it_needs_one() -> None:
    for command, wanted in (("pipe", True), ("check", False)):
        text = render(planned(COMMANDS[command]))["web1.service"]
        assert bool(re.search("network-online", text)) == wanted
