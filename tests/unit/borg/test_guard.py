"""The guard of a repository's configuration, against a client that rewrites it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from borgpull.borg.guard import config_guard, settle
from borgpull.errors import ConfigError, ConnectionLost, RepositoryTampered

GOOD = b"[repository]\nversion = 1\nkey = \xff\xfe good\r\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "repo" / "web1"
    path.mkdir(parents=True)
    (path / "config").write_bytes(GOOD)
    (path / "config").chmod(0o640)
    (path / "README").write_text("This is a Borg Backup repository.\n")
    (path / "nonce").write_text("0000000000000001")
    return path


@pytest.fixture
def keep(tmp_path: Path) -> Path:
    return tmp_path / "config-guard.json"


def rewrite(repository: Path, text: str = "[repository]\nkey = evil\n") -> None:
    """As borg's SaveFile does: a new file in its place."""
    (repository / "new").write_text(text)
    (repository / "new").replace(repository / "config")


def test_an_honest_session(repository: Path, keep: Path) -> None:
    with config_guard(repository, keep):
        assert keep.stat().st_mode & 0o777 == 0o600
        assert GOOD.decode("latin-1") in json.loads(keep.read_text()).values()
        (repository / "nonce").write_text("0000000000000002")
    assert (repository / "nonce").read_text() == "0000000000000002"
    assert [path.name for path in keep.parent.iterdir()] == ["repo"]


def test_a_change_is_undone_and_told(repository: Path, keep: Path) -> None:
    with (
        pytest.raises(RepositoryTampered, match="config and README of"),
        config_guard(repository, keep),
    ):
        rewrite(repository)
        (repository / "README").unlink()
        (repository / "nonce").write_text("0000000000000009")
    assert (repository / "config").read_bytes() == GOOD
    assert (repository / "README").read_text() == "This is a Borg Backup repository.\n"
    assert (repository / "nonce").read_text() == "0000000000000009"
    assert "evil" in keep.with_name("config-guard.json.refused").read_text()
    assert not keep.exists()
    settle(repository, keep)


def test_it_is_told_over_another_error(repository: Path, keep: Path) -> None:
    with pytest.raises(RepositoryTampered) as caught, config_guard(repository, keep):
        rewrite(repository)
        raise ConnectionLost("broken")
    assert isinstance(caught.value.__context__, ConnectionLost)
    with pytest.raises(ConnectionLost), config_guard(repository, keep):
        raise ConnectionLost("broken")
    assert not keep.exists()


def killed(repository: Path, keep: Path) -> None:
    """A session whose end never came."""
    guard = config_guard(repository, keep)
    guard.__enter__()
    copy = keep.read_bytes()
    guard.__exit__(None, None, None)
    keep.write_bytes(copy)


def test_a_killed_session_is_settled_by_the_next(repository: Path, keep: Path) -> None:
    killed(repository, keep)
    rewrite(repository)
    with pytest.raises(RepositoryTampered), config_guard(repository, keep):
        pytest.fail("the session must not begin")
    assert (repository / "config").read_bytes() == GOOD
    with config_guard(repository, keep):
        pass


def test_our_own_change_after_a_killed_session_stays(repository: Path, keep: Path) -> None:
    killed(repository, keep)
    settle(repository, keep)
    rewrite(repository, "[repository]\nkey = a new passphrase of ours\n")
    with config_guard(repository, keep):
        pass
    assert "of ours" in (repository / "config").read_text()


def test_a_repository_that_was_removed_here_is_no_client_s_doing(
    repository: Path, keep: Path
) -> None:
    killed(repository, keep)
    repository.rename(repository.with_name("away"))
    settle(repository, keep)
    assert not keep.exists()


def test_the_copy_stays_where_it_cannot_be_put_back(
    repository: Path, keep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(repository, keep)
    rewrite(repository)
    (repository / "config.new").mkdir()  # in the way; root needs no permission
    with pytest.raises(ConfigError, match="config-guard"):
        settle(repository, keep)
    assert keep.exists()
    (repository / "config.new").rmdir()
    with pytest.raises(RepositoryTampered):
        settle(repository, keep)


def test_the_mode_of_the_file_that_is_replaced(repository: Path, keep: Path) -> None:
    killed(repository, keep)
    rewrite(repository)
    (repository / "config").chmod(0o600)
    with pytest.raises(RepositoryTampered):
        settle(repository, keep)
    found = (repository / "config").stat()
    assert (found.st_mode & 0o777, found.st_uid) == (0o600, os.geteuid())


def test_no_place_for_the_copy(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError), config_guard(repository, tmp_path / "no" / "keep"):
        pytest.fail("the session must not begin")
