"""The docker launcher, with an engine that does not do what it is told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import docker as sdk
import pytest
import requests
from docker.errors import APIError

from borgpull.errors import BorgpullError, DrillFailed, NoDocker, SidecarFailed
from borgpull.jobs import Demo
from borgpull.launchers import docker
from borgpull.launchers.options import DockerOptions


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
