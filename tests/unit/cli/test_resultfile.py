"""The file of --result-file: the end of every command, by real processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from borgpull.cli.boundary import Doing, End
from borgpull.cli.resultfile import MAX_BYTES, VARIABLE, encoded, ending
from borgpull.results import Failure, Result
from scripts.schemas import FOLDER

SCHEMA = Draft202012Validator(json.loads((FOLDER / "ending.schema.json").read_text()))
SECRET = "correct horse battery"


def read(file: Path) -> dict[str, Any]:
    """What is in the file, as its schema allows it."""
    data = file.read_bytes()
    assert len(data) <= MAX_BYTES and data.isascii()
    found: dict[str, Any] = json.loads(data)
    SCHEMA.validate(found)
    when = datetime.fromisoformat(found["when"])
    assert abs((datetime.now(UTC) - when).total_seconds()) < 60
    return found


def env(tmp_path: Path, file: str | None) -> dict[str, str]:
    """No engine, no keys, and the folders of this test."""
    found = {name: text for name, text in os.environ.items() if not name.startswith("BORGPULL_")}
    found |= {"HOME": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/none"}
    found |= {"BORGPULL_REPO": f"{tmp_path}/repo", "BORGPULL_STATE": f"{tmp_path}/state"}
    return found | ({VARIABLE: file} if file is not None else {})


def ended(
    tmp_path: Path, *words: str | bytes, file: str | None = None
) -> subprocess.CompletedProcess[bytes]:
    """The command, to its end; by default the variable names `tmp_path/result`."""
    named = str(tmp_path / "result") if file is None else file
    argv = [sys.executable, "-m", "borgpull", *words]
    return subprocess.run(argv, capture_output=True, env=env(tmp_path, named), check=False)


@pytest.mark.parametrize(
    ("words", "verb", "code", "error"),
    [
        (["pipe", "--nonsense", "web1"], "pipe", 2, "UsageError"),
        (["pipe"], "pipe", 2, "UsageError"),
        (["nonsense"], "", 2, "UsageError"),
        (["prune", "web1", "--launcher", "here"], "prune", 2, "UsageError"),
        (["check", "--launcher", "here", "--passphrase-file", "/no", "web1"], "check", 10, None),
        (["list", "--launcher", "here", "../x"], "list", 11, "InvalidClientName"),
        (["pipe", "--launcher", "here", "[fe80::1"], "pipe", 12, "InvalidHost"),
        (["sshfs", "-oProxyCommand=x"], "sshfs", 12, "InvalidHost"),
        (["list", "web1"], "list", 20, "NoDocker"),
        (["authorize", "web1", "--ssh-key", "/no"], "", 10, "ConfigError"),
        (["borg", "--launcher", "here", "../x", "--", "list"], "borg", 11, "InvalidClientName"),
    ],
    ids=lambda word: " ".join(word) if isinstance(word, list) else "",
)
@pytest.mark.parametrize("as_json", [False, True])
def test_an_early_end(
    tmp_path: Path, words: list[str], verb: str, code: int, error: str | None, as_json: bool
) -> None:
    """Here, and where the host's process could not start a container."""
    as_json = as_json and words[0] not in ("borg", "authorize")  # they have no --json
    (tmp_path / "repo").mkdir()
    (tmp_path / "state").mkdir()
    done = ended(tmp_path, words[0], *(["--json"] if as_json else []), *words[1:])
    found = read(tmp_path / "result")
    assert (done.returncode, found["exit_code"], found["verb"]) == (code, code, verb)
    assert found["error"] == (error or "ConfigError") and found["message"] and found["hint"]
    assert not found["ok"] and not found["verified"] and found["archive"] is None
    if as_json:
        assert json.loads(done.stdout.splitlines()[-1])["failure"]["message"] == found["message"]
    else:
        assert found["message"] in done.stderr.decode()


def test_a_command_that_ends_well(tmp_path: Path) -> None:
    """By the option, which comes before the variable; a file that is there is replaced."""
    (tmp_path / "repo").mkdir()
    (tmp_path / "state").mkdir()
    other = tmp_path / "other"
    other.write_text("x" * 9999)
    words = ("status", "--launcher", "here", "--result-file", str(other))
    assert ended(tmp_path, *words).returncode == 0
    found = read(other)
    assert found["ok"] and (found["verb"], found["exit_code"]) == ("status", 0)
    assert not found["verified"] and found["seconds"] > 0
    assert not (tmp_path / "result").exists()


def test_without_a_file_nothing_is_written(tmp_path: Path) -> None:
    assert ended(tmp_path, "list", "../x", file="").returncode == 11
    assert list(tmp_path.iterdir()) == []


def test_a_job_that_sigterm_ends(tmp_path: Path) -> None:
    """It waits for a client that never answers."""
    (tmp_path / "repo").mkdir()
    (tmp_path / "state").mkdir()
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        port = server.getsockname()[1]
        address = f"root@127.0.0.1:{port}"
        words = ["doctor", "--launcher", "here", "--ssh-key", str(key), address]
        argv = [sys.executable, "-m", "borgpull", *words]
        child = subprocess.Popen(
            argv, env=env(tmp_path, str(tmp_path / "result")), stderr=subprocess.PIPE
        )
        with child, server.accept()[0]:
            child.send_signal(signal.SIGTERM)
            assert child.wait(20) == 143
    found = read(tmp_path / "result")
    assert (found["exit_code"], found["error"]) == (143, "Interrupted")
    assert (found["verb"], found["client"]) == ("doctor", "127.0.0.1")


@pytest.mark.parametrize("place", ["/", "/nonexistent/x", "/dev/full", "fifo", "a\x1b\udcff/x"])
def test_a_file_that_cannot_be_written_changes_nothing(tmp_path: Path, place: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    file = str(tmp_path / "fifo") if place == "fifo" else place
    begun = time.monotonic()
    done = ended(tmp_path, "list", "../x", file=file)
    assert time.monotonic() - begun < 20
    *before, last = done.stderr.decode().splitlines()
    assert done.returncode == 11 and len(before) == 2
    assert last.startswith("warning: cannot write the result to ") and "\x1b" not in last


def test_neither_a_passphrase_nor_odd_characters(tmp_path: Path) -> None:
    """The message names what a user or a client has chosen."""
    secret = tmp_path / "passphrase"
    secret.write_text(SECRET)
    odd = b"/a\xff\n\x1b[31m\xe2\x80\xae" + b"long" * 500
    words = ("--passphrase-file", str(secret), b"--ssh-key", odd, "root@web1")
    done = ended(tmp_path, "pipe", "--launcher", "here", *words)
    assert done.returncode == 10
    text = (tmp_path / "result").read_text()
    assert SECRET not in text
    assert "\\\\udcff\\\\n\\\\x1b[31m\\\\u202e" in text
    assert read(tmp_path / "result")["message"].startswith("there is no file /a\\udcff")


def test_a_closed_output(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    argv = [sys.executable, "-m", "borgpull", "list", "--json", "../x"]
    done = subprocess.run(
        argv, stdout=writer, env=env(tmp_path, str(tmp_path / "result")), check=False
    )
    os.close(writer)
    assert done.returncode == 141
    assert read(tmp_path / "result")["exit_code"] == 141


def of(result: Result, code: int = 0, warnings: int = 0) -> dict[str, Any]:
    found = ending(End(code, Doing(result.verb, result.client), result, warnings), 1.23456)
    return dict(json.loads(encoded(found)))


def test_what_is_told_of_an_archive() -> None:
    good = Result(verb="pipe", client="web1", data={"archive": "web1-1", "files_read": 3})
    assert of(good, warnings=2) == of(good) | {"warnings": 2}
    found = of(good)
    assert (found["archive"], found["verified"], found["seconds"]) == ("web1-1", True, 1.235)
    assert not of(Result(verb="restore", data={"archive": "a"}))["verified"]
    assert not of(Result(verb="pipe", data={"dry_run": True, "items": 1}))["verified"]
    failure = Failure(exit_code=80, error="NotRestored", message="m", hint="h")
    failed = Result(verb="restore", ok=False, failure=failure, data={"archive": "a"})
    assert of(failed, 80)["archive"] is None


LONG = st.builds(str.__mul__, st.text(min_size=1, max_size=9), st.integers(0, 1200))


@settings(deadline=None)
@given(st.tuples(LONG, LONG, LONG, LONG))
def test_it_always_fits(texts: tuple[str, str, str, str]) -> None:
    """And stays JSON that its schema allows, of texts that were not cut more than they must be."""
    message, hint, archive, client = texts
    failure = Failure(exit_code=34, error="ConnectionLost", message=message, hint=hint)
    result = Result(verb="pipe", client=client, ok=False, failure=failure)
    found = ending(End(34, Doing("pipe", client), result), 1.0)
    found["archive"] = archive
    data = encoded(found)
    assert len(data) <= MAX_BYTES and data.isascii()
    SCHEMA.validate(json.loads(data))
    cut = [text for text in json.loads(data).values() if str(text).endswith("\u2026")]
    assert not cut or len(data) > MAX_BYTES - 30 or any(text.endswith("\u2026") for text in texts)


def test_a_long_message_is_cut_at_its_end() -> None:
    failure = Failure(exit_code=49, error="BorgFailed", message="\u00fcber " * 3000, hint="see it")
    found = of(Result(verb="pipe", client="web1", ok=False, failure=failure), 49)
    assert found["message"].startswith("\u00fcber \u00fcber") and found["message"][-1] == "\u2026"
    assert len(found["message"]) > 1500 and found["hint"] == "see it"
