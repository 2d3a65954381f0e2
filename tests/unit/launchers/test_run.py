"""Where a job runs, if it is said, and if it is not."""

from __future__ import annotations

from typing import Any

import pytest

from borgpull import events, ops, process
from borgpull.jobs import Job, List
from borgpull.launchers import docker, run
from borgpull.launchers.options import DockerOptions
from borgpull.results import Result


@pytest.mark.parametrize(
    ("launcher", "in_sidecar", "where"),
    [
        (None, "", "docker"),
        (None, "1", "here"),
        ("here", "", "here"),
        ("docker", "1", "docker"),
    ],
)
def test_the_choice(
    launcher: run.Launcher | None, in_sidecar: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []

    def op(job: Job, _emit: events.Emit) -> Result:
        done.append("here")
        return Result(verb=job.verb, client=job.client, data={})

    def launch(job: Job, options: DockerOptions, *_: Any) -> Result:
        done.append(f"docker {options.image}")
        return Result(verb=job.verb, client=job.client, data={})

    monkeypatch.setenv("BORGPULL_SIDECAR", in_sidecar)
    monkeypatch.setattr(ops, "OPS", {"list": op})
    monkeypatch.setattr(docker, "launch", launch)
    monkeypatch.setattr(process, "as_batch", lambda: None)  # it would last
    job = List(client="web1")
    run.run(job, events.silent, lambda *_: None, launcher=launcher)
    assert done == ["docker borgpull" if where == "docker" else where]
