"""What is cleaned up on a client is cleaned up to its end. This machine stands for the client."""

from __future__ import annotations

import secrets
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from borgpull.client.facts import Facts
from borgpull.client.folder import Place
from borgpull.client.setup import CLEANINGS, setup, sweep
from borgpull.client.shell import script
from borgpull.errors import Interrupted
from borgpull.process import Completed, pipe, running
from borgpull.ssh.session import Session

ID = secrets.token_hex(8)
# As the `end` of an interrupted setup does to a sweep that comes while it runs.
ENDED = ("sh", "-c", "kill $$")


class Here:
    """A session with this machine, on which the first commands are ended by one that goes on."""

    def __init__(self, ended: int) -> None:
        self.left, self.calls = ended, 0

    def command(self, *words: str) -> list[str]:
        self.calls += 1
        return list(words if self.calls > self.left else ENDED)

    def run(self, *words: str, stdin: bytes, timeout: float) -> Completed:
        argv = self.command(*words)
        done = subprocess.run(argv, input=stdin, timeout=timeout, check=False, capture_output=True)
        return Completed(done.returncode, done.stdout, done.stderr.decode())

    def alive(self) -> bool:
        return True


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    path = tmp_path / f"borgpull-{ID}"
    path.mkdir()
    (path / "run").touch()
    (path / "tool").write_text(script("kill.sh") + script("tool.sh"))
    return path


def swept(session: Session, _folder: Path) -> None:
    sweep(session, ID, keep=False, sudo=False)


def left(session: Session, folder: Path) -> None:
    Place(session, Facts(folder=str(folder)), sudo=False).leave(keep=False)


@pytest.mark.parametrize("ended", [0, 1, 2])
@pytest.mark.parametrize("clean", [swept, left])
def test_it_comes_again_where_it_was_ended(
    clean: Callable[[Session, Path], None], ended: int, folder: Path
) -> None:
    session = Here(ended)
    clean(cast(Session, session), folder)
    assert not folder.exists()
    assert session.calls == ended + 1


def test_it_comes_no_more_than_so_often(folder: Path) -> None:
    session = Here(99)
    swept(cast(Session, session), folder)
    assert session.calls == CLEANINGS


def test_what_the_server_itself_runs_goes_on(folder: Path) -> None:
    """Where client and server are one machine, our ssh has the folder in its command line, too."""
    words = ["sh", "-c", "echo; read -r line", f"borgpull-{ID}/"]
    with (
        pipe() as (never, _),
        running(words, name="ours", stdin=never) as ours,
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as left_over,
    ):
        assert next(ours.lines(tick=10)) == ("stdout", b"\n")
        assert left_over.stdout is not None and left_over.stdout.readline() == b"\n"
        swept(cast(Session, Here(0)), folder)
        assert left_over.wait(10) == -signal.SIGTERM
        assert ours.alive()


class Interrupting(Here):
    """A session whose setup is broken off on our side, and goes on where it runs."""

    def __init__(self, moment: float) -> None:
        super().__init__(0)
        self.moment = moment
        self.child: subprocess.Popen[bytes] | None = None

    def run(self, *words: str, stdin: bytes, timeout: float) -> Completed:
        if self.child is not None:
            return super().run(*words, stdin=stdin, timeout=timeout)
        self.child = child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(stdin)
        child.stdin.close()
        while b"borgpull-connection" not in child.stdout.readline():  # its `end` is not far
            pass
        time.sleep(self.moment)
        child.stdout.close()
        raise Interrupted(signal.SIGTERM)


@pytest.mark.parametrize("milliseconds", range(0, 30, 2))
def test_a_setup_that_goes_on_leaves_nothing(milliseconds: int, folder: Path) -> None:
    session = Interrupting(milliseconds / 1000)
    with pytest.raises(Interrupted):
        setup(cast(Session, session), ID, paths=[], keep=False, runtime=True, borg=None, sudo=False)
    swept(cast(Session, session), folder)
    assert session.child is not None
    session.child.wait(10)
    assert not folder.exists()
