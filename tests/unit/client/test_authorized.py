"""The forced command of `authorize --client-borg`, as each sh runs it with a borg that tells."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from borgpull.client import facts as answers
from borgpull.client.authorized import MAX_LINE, forced_command, limited_command, line

# Says what it was told to save; and what it was asked to leave out.
BORG = """#!/bin/sh
[ "$1" != --version ] || { echo borg 1.4.1; exit; }
for word; do printf '<%s>' "$word"; done >&2
"""
SHELLS = [name for name in ("dash", "bash", "busybox") if shutil.which(name)]


@pytest.fixture
def client(tmp_path: Path) -> Path:
    (tmp_path / "borg").write_text(BORG)
    (tmp_path / "borg").chmod(0o755)
    for name in ("d", "d/in", "it's  $a;`b` \\n*", "-dash (", "hollow", "socks", "hidden"):
        (tmp_path / "srv" / name).mkdir(parents=True)
    for name in ("f", "d/y", "it's  file *", "hidden/.x"):
        (tmp_path / "srv" / name).touch()
    return tmp_path


@pytest.fixture(params=SHELLS)
def sh(request: pytest.FixtureRequest, client: Path) -> str:
    """A folder in which `sh` is this shell."""
    found = shutil.which(request.param)
    assert found is not None
    place = client / "bin"
    place.mkdir()
    (place / "sh").symlink_to(found)
    return str(place)


def said(client: Path, sh: str, names: list[str], asked: str, path: str = "") -> tuple[str, str]:
    paths = [f"{client}/srv/{name}" for name in names]
    command = forced_command("c", "/repo/c", f"{client}/borg", paths, ["sh:**/it's !"])
    assert not set(command) & set('"\n')
    done = subprocess.run(
        [f"{sh}/sh", "-c", command],
        input=asked.encode(),
        capture_output=True,
        check=False,
        env={"PATH": f"{sh}:{path or '/usr/bin:/bin'}"},
    )
    return done.stdout.decode(), done.stderr.decode()


ODD = ["it's  file *", "f", "-dash (", "d", "d/y", "it's  $a;`b` \\n*", "d/in", "f"]
LAST = ["-dash (", "d", "it's  $a;`b` \\n*", "it's  file *", "f"]


@pytest.mark.parametrize("verb", ["create", "timed", "list"])
def test_borg_gets_folders_first_and_no_path_twice(client: Path, sh: str, verb: str) -> None:
    time = "2026-01-01T00:00:00\n" if verb == "timed" else ""
    _, told = said(client, sh, ODD, f"borgpull-{verb}\npw\nname\nlz4\n{time}")
    root = str(client).lstrip("/")
    words = "".join(f"<{root}/srv/{name}>" for name in LAST)
    assert told.endswith(f"<--exclude><sh:**/it's !><--><::name>{words}"), told


@pytest.mark.parametrize("find", [True, False])
def test_it_answers_which_folders_have_nothing_to_save(
    client: Path, sh: str, find: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(client / "srv/socks")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("a  socket")
    for tool in ("ls", "head", "date", "cat"):
        (Path(sh) / tool).symlink_to(str(shutil.which(tool)))
    names = ["f", "hollow", "d", "socks", "hidden", "-dash (", "d/in", "d"]
    answer, _ = said(client, sh, names, "id\n", path="" if find else "/nowhere")
    facts = answers.read(answer.encode())
    assert facts.forced_paths == tuple(f"{client}/srv/{name}" for name in names[:-1])
    assert facts.empty == {2: "", 4: "sockets", 6: "", 7: ""}
    assert facts.knows == {"timed", "roots"}


def test_the_line_of_a_limited_key_has_room_for_a_key_and_for_paths() -> None:
    """Of its length, a Docker test would tell after a quarter of an hour."""
    whole = line("stream", "ssh-ed25519 " + "A" * 68, limited_command(["/srv/data"]))
    assert len(whole) < MAX_LINE - 700
