"""The compose file: the schema of compose takes it, and what is named must be there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from borgpull.cli.options import Launch, Where
from borgpull.cli.rendered import Timing
from borgpull.renderers.compose import render
from tests.support.rendered import COMMANDS, DRILLS, at_rung, planned


def project(**more: Any) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(render(planned(COMMANDS["pipe"], **more))["web1.yaml"])
    return found


def test_the_schema_takes_all(tmp_path: Path) -> None:
    options = [at_rung("userns"), at_rung("sys-admin"), Launch(network="backups")]
    for number, words in enumerate(COMMANDS.values()):
        for kind, launch in enumerate(options):
            if launch.network and words[0] == "drill" and "--allow-network" not in words:
                continue  # it has none
            where = Where(repo="volume") if kind else None
            plan = planned(words, name=f"Job.{number}-{kind}", launch=launch, where=where)
            for name, text in render(plan).items():
                (tmp_path / name).write_text(text)
    for number, drilling in enumerate(DRILLS.values()):
        plan = planned(COMMANDS["drill"], name=f"drill-{number}", drilling=drilling)
        (tmp_path / f"drill-{number}.yaml").write_text(render(plan)[f"drill-{number}.yaml"])
    good = sorted(map(str, tmp_path.glob("*.yaml")))
    assert len(good) == len(COMMANDS) * len(options) - 3 + len(DRILLS)
    bad = tmp_path / "bad.yaml"
    bad.write_text("services: {web1: {image: [borgpull]}}\n")
    assert checked(*good).returncode == 0, checked(*good).stdout
    assert checked(str(bad)).returncode == 1


def checked(*paths: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("check-jsonschema")
    argv = [str(program), "--builtin-schema", "vendor.compose-spec", *paths]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)


def test_what_is_named_must_be_there() -> None:
    found = project(where=Where(repo="repos", state="states"), launch=Launch(network="backups"))
    assert found["volumes"] == {
        name: {"name": name, "external": True} for name in ("repos", "states")
    }
    assert found["networks"] == {"default": {"name": "backups", "external": True}}
    assert "network_mode" not in found["services"]["web1"]
    binds = [each for each in found["services"]["web1"]["volumes"] if each["type"] == "bind"]
    assert binds
    assert all(each["bind"] == {"create_host_path": False} for each in binds)


@pytest.mark.parametrize("name", ["web1", "Web.Prod_1", "0", "a" * 128])
def test_the_project_has_a_name_that_compose_takes(name: str) -> None:
    (text,) = render(planned(COMMANDS["pipe"], name=name)).values()
    found = yaml.safe_load(text)
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*", found["name"])
    assert list(found["services"]) == [name]


def test_the_head_can_be_typed() -> None:
    timing = Timing(schedule="0 3 * * 7", timezone="Europe/Berlin")
    text = render(planned(COMMANDS["agent back"], timing=timing))["web1.yaml"]
    assert (
        "# borgpull agent, one run: docker compose -f web1.yaml run --rm --service-ports web1\n"
        in text
    )
    assert "time zone must be Europe/Berlin:\n#   0 3 * * 7 root docker compose -f FOLDER/" in text
    assert "--service-ports" not in render(planned(COMMANDS["pipe"]))["web1.yaml"]
