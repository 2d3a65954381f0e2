"""Where the files of `render` go: in UTF-8, and never over those of somebody else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from borgpull.cli.rendered import put
from borgpull.errors import ConfigError
from borgpull.renderers import RENDERERS
from tests.support.rendered import COMMANDS, planned


@pytest.mark.parametrize("form", sorted(RENDERERS))
def test_own_files_are_written_anew(form: str, tmp_path: Path) -> None:
    for verb in ("sshfs", "check"):
        files = RENDERERS[form](planned(COMMANDS[verb]))
        put(files, tmp_path)
        assert {name: (tmp_path / name).read_text() for name in files} == files


@pytest.mark.parametrize("form", sorted(RENDERERS))
@pytest.mark.parametrize("which", [0, 1])
def test_a_file_of_somebody_else_stays_and_nothing_is_written(
    form: str, which: int, tmp_path: Path
) -> None:
    files = RENDERERS[form](planned(COMMANDS["pipe"], name="docker"))
    mine = tmp_path / [*files, *files][which]
    mine.write_text("[Service]\nExecStart=/usr/bin/dockerd\n")
    with pytest.raises(ConfigError, match="no command of borgpull"):
        put(files, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [mine.name]
    assert "dockerd" in mine.read_text()


@pytest.mark.parametrize("to", [["--output", "there"], []])
@pytest.mark.parametrize(
    "what", [["systemd", "--", "pipe", "web1", "/é"], ["kube", "--jobs", "in"]]
)
def test_files_are_utf_8_in_any_locale(what: list[str], to: list[str], tmp_path: Path) -> None:
    (tmp_path / "in").write_text("pipe web1 '/é'\n", encoding="utf-8")
    options = ["-X", "warn_default_encoding", "-W", "error::EncodingWarning"]
    argv = [sys.executable, *options, "-m", "borgpull", "render", what[0], "--name", "x", *to]
    env = {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "latin-1"}  # of its output alone
    done = subprocess.run(
        [*argv, *what[1:]], cwd=tmp_path, env=env, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("there/**/*") if path.is_file())
    text = (written or done.stdout).decode("utf-8")
    assert "/é" in text or "/\\xE9" in text
