"""Secrets are masked by type, and do not get into argument lists."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from borgpull.errors import ConfigError
from borgpull.process import CommandError, base_env, run
from borgpull.secrets import Secret, as_fd, read_passphrase


def test_masked() -> None:
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]}"
    assert str(secret) == repr(secret) == "***"
    assert secret.reveal() == "hunter2"
    with pytest.raises(TypeError):
        run(["echo", secret], timeout=5)  # type: ignore[list-item]


def test_passphrase_files(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    assert read_passphrase(file) is None
    for text, value in (("a b \n", "a b "), ("x", "x"), ("x\r\n", "x")):
        file.write_bytes(text.encode())
        found = read_passphrase(file)
        assert found is not None
        assert found.reveal() == value
    for bad in (b"", b"\n", b"\xff\xfe", b"x" * 40_000, b"a\nrm -rf /\n", b"a\n\n"):
        file.write_bytes(bad)
        with pytest.raises(ConfigError):
            read_passphrase(file)
    with pytest.raises(ConfigError):
        read_passphrase(tmp_path)


def test_by_descriptor() -> None:
    with as_fd(Secret("hunter2")) as fd:
        assert fd is not None
        assert os.read(fd, 100) == b"hunter2"
        assert os.read(fd, 100) == b""
    with as_fd(None) as fd:
        assert fd is None


def test_the_environment_of_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BORG_PASSPHRASE", "hunter2")
    monkeypatch.setenv("BORGPULL_JSON", "1")
    assert not {"BORG_PASSPHRASE", "BORGPULL_JSON"} & base_env().keys()


def test_commands_that_fail() -> None:
    assert run(["sh", "-c", "exit 3"], timeout=5, check=False).returncode == 3
    for argv in (["sh", "-c", "exit 3"], ["/no/such/program"], ["sleep", "5"]):
        with pytest.raises(CommandError):
            run(argv, timeout=0.5)
