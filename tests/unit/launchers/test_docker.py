"""The docker launcher, with an engine that does not do what it is told."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker as sdk
import pytest
import requests
from docker.errors import APIError

from borgpull.cli.drills import reported
from borgpull.errors import BorgpullError, DrillFailed, NoDocker, RestoreDiffers, SidecarFailed
from borgpull.events import silent
from borgpull.jobs import Demo, Drill, Job
from borgpull.launchers import docker
from borgpull.launchers.options import DockerOptions
from borgpull.results import Failure, Result
from tests.support.reports import report


def test_a_drill_whose_container_stays_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it has found: what it has restored may be there still."""
    monkeypatch.setattr(docker, "remove", lambda _client, _name: False)
    client: Any = SimpleNamespace(containers=SimpleNamespace(create=lambda *_, **__: "made"))
    with (
        pytest.raises(DrillFailed, match="could not be removed"),
        docker._container(client, Demo(), DockerOptions()),
    ):
        pass
    monkeypatch.setattr(docker, "remove", lambda _client, _name: True)
    with docker._container(client, Demo(), DockerOptions()) as made:
        assert made == "made"


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (requests.exceptions.ConnectionError("gone"), NoDocker),
        (requests.exceptions.ReadTimeout("hangs"), NoDocker),
        (APIError("cannot attach"), SidecarFailed),
    ],
)
def test_an_engine_that_fails_half_way_is_told_as_such(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, told: type[BorgpullError]
) -> None:
    client = SimpleNamespace(ping=lambda: True, close=lambda: None)
    monkeypatch.setattr(sdk, "from_env", lambda **_: client)
    with pytest.raises(told, match="engine"), docker._client():
        raise raised


FOUND = {"path": "/etc/shadow", "kind": "content", "expected": "a", "found": "b"}


def _with_a_container_that_stays(
    monkeypatch: pytest.MonkeyPatch, job: Job, result: Result | None
) -> Result:
    """The launcher's result, where the sidecar has given this one."""
    made = SimpleNamespace(create=lambda *_, **__: "made")
    client = SimpleNamespace(ping=lambda: True, close=lambda: None, containers=made)
    monkeypatch.setattr(sdk, "from_env", lambda **_: client)
    monkeypatch.setattr(docker, "exit_code", lambda _: contextlib.nullcontext(lambda: 0))
    monkeypatch.setattr(docker, "mounts", lambda _: ())
    for name in ("_start", "_sweep"):
        monkeypatch.setattr(docker, name, lambda _: None)
    monkeypatch.setattr(docker, "_follow", lambda *_: (result, "its last words"))
    monkeypatch.setattr(docker, "remove", lambda _client, _name: False)
    stream = SimpleNamespace(sendall=lambda _: None)
    monkeypatch.setattr(docker, "attached", lambda _: contextlib.nullcontext(stream))
    return docker.launch(job, DockerOptions(), silent, lambda *_: None)


def test_what_a_drill_has_found_is_told_though_its_container_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On the screen, in JSON and in the reports. The signature was of another outcome."""
    reason = "not as the client had it: 1 content; /etc/shadow"
    data: Any = report(outcome="differs", reasons=[reason], findings=[FOUND], signature="signed")
    failure = Failure.of(RestoreDiffers(reason))
    given = Result(verb="drill", client="web1", ok=False, failure=failure, data=data)
    result = reported(
        _with_a_container_that_stays(monkeypatch, Drill(client="web1"), given), str(tmp_path)
    )
    assert (result.ok, result.exit_code, result.data["outcome"]) == (False, 93, "error")
    first, second = result.data["reasons"]
    assert "could not be removed" in first and second == reason
    assert result.failure is not None and "docker rm -fv borgpull-web1-" in result.failure.hint
    changed = {"outcome", "reasons", "signature", "public_key"}
    assert {key: value for key, value in result.data.items() if key not in changed} == {
        key: value for key, value in data.items() if key not in changed
    }
    assert (result.data["signature"], (tmp_path / "drill.json.sig").exists()) == ("", False)
    for name in ("summary.md", "junit.xml", "drill.html", "drill.json"):
        text = (tmp_path / name).read_text()
        assert "could not be removed" in text and "/etc/shadow" in text, name


def test_the_demo_keeps_both_of_its_drills(monkeypatch: pytest.MonkeyPatch) -> None:
    data = {"good": report(), "spoilt": report(outcome="differs")}
    result = _with_a_container_that_stays(monkeypatch, Demo(), Result(verb="demo", data=data))
    assert (result.ok, result.exit_code, result.data) == (False, 93, data)


def test_a_drill_without_a_result_has_the_error_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DrillFailed, match="could not be removed"):
        _with_a_container_that_stays(monkeypatch, Drill(client="web1"), None)
