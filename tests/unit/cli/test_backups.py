"""What the methods with borg on the client refuse before they touch anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from borgpull.addresses import Target
from borgpull.borg.command import Borg
from borgpull.cli.app import app
from borgpull.errors import UsageError
from borgpull.events import silent
from borgpull.jobs import Access, Backup
from borgpull.methods import METHODS

GATE = Target(host="gate")


@pytest.mark.parametrize("method", ["pipe", "socat", "agent", "forward"])
def test_a_key_that_is_a_file_here(method: str) -> None:
    words = [method, "--init", "--encryption", "keyfile-blake2", "web1"]
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, "that key stays on this server" in done.output) == (2, True)


@pytest.mark.parametrize("words", [["/srv/\udcff"], ["/srv", "--exclude", "sh:**/\udcff"]])
def test_a_key_for_what_borg_cannot_name(words: list[str]) -> None:
    words = ["authorize", "web1", "--client-borg", "/usr/bin/borg", *words]
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, "UTF-8" in done.output) == (2, True)


@pytest.mark.parametrize(
    ("method", "more"),
    [("agent", {"via": GATE}), ("agent", {"sudo": True}), ("socat", {"sudo": True})],
)
def test_what_cannot_work(method: str, more: dict[str, bool], tmp_path: Path) -> None:
    access = Access(target=Target(host="web1"), **more)  # type: ignore[arg-type]
    job = Backup(verb=method, access=access)
    borg = Borg("web1", tmp_path / "repo", tmp_path / "base", None, "id")
    opened = METHODS[method](job, borg, tmp_path, silent, lambda _: None)
    with pytest.raises(UsageError), opened:
        pass
    assert not [*tmp_path.iterdir()]
