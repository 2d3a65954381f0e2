"""The docker launcher when it is interrupted: no container outlives it, or comes after it."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.errors import NotFound
from docker.models.containers import Container, ContainerCollection

from borgpull import signals
from borgpull.errors import Interrupted
from borgpull.jobs import List
from borgpull.launchers import docker as launcher
from borgpull.launchers import lives
from borgpull.launchers.options import DockerOptions
from borgpull.places import Places
from tests.support.lab import IMAGE, docker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]
OPTIONS = DockerOptions(image=IMAGE)


@pytest.fixture
def job(tmp_path: Path) -> Iterator[List]:
    """Of a client that no other test has. Nothing of it is left."""
    client = f"launched-{os.getpid()}"
    (tmp_path / "passphrase").write_text("x\n")
    places = Places(
        repo=str(tmp_path), state=str(tmp_path), passphrase=str(tmp_path / "passphrase")
    )
    yield List(client=client, places=places)
    assert not docker("ps", "-aq", "--filter", f"name=borgpull-{client}").split()


def test_its_end_is_told_at_once(job: List) -> None:
    """The sidecar sees the end of its input even where no signal reaches it."""
    gc.disable()  # the SDK's socket must not have to wait for it
    try:
        with launcher._client() as client, launcher._container(client, job, OPTIONS) as sidecar:
            with lives.attached(sidecar):
                launcher._start(sidecar)
                time.sleep(1)
                sidecar.reload()  # it waits for its job
            await_gone(sidecar)
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("of", "request_name"), [(ContainerCollection, "create"), (Container, "start")]
)
def test_a_signal_while_the_engine_is_at_work(
    job: List, of: type, request_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = getattr(of, request_name)

    def request(*args: Any, **kwargs: Any) -> Any:
        threading.Timer(0.003, os.kill, (os.getpid(), signal.SIGTERM)).start()
        return asked(*args, **kwargs)

    monkeypatch.setattr(of, request_name, request)
    with pytest.raises(Interrupted), signals.raised():
        launcher.launch(job, OPTIONS, lambda event: None, lambda stream, data: None)
    time.sleep(2)  # what the engine was asked for would have come; `job` looks


def test_what_a_killed_launcher_left_is_swept(job: List, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that was made, and whose launcher was killed before it could start it."""
    name = f"borgpull-{job.client}-left"
    docker("create", "--name", name, "--label", f"{launcher.LABEL}={name}", IMAGE, "job")
    try:
        with launcher._client() as client:
            launcher._sweep(client)
            assert docker("ps", "-aq", "--filter", f"name={name}").split(), "of another run, maybe"
            monkeypatch.setattr(launcher, "STALE_SECONDS", 0)
            launcher._sweep(client)
    finally:
        left = docker("ps", "-aq", "--filter", f"name={name}").split()
        docker("rm", "-f", name, check=False)
    assert not left


def await_gone(sidecar: Container) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            sidecar.reload()
        except NotFound:
            return
        time.sleep(0.1)
    raise AssertionError(f"it is {sidecar.status} still")
