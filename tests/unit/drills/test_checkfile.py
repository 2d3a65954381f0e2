"""The user's checks as they are written: a mistake is an error, and never a check that passes."""

from __future__ import annotations

from pathlib import Path

import pytest

from borgpull.drills.checkfile import read
from borgpull.errors import ConfigError, UsageError
from borgpull.jobs import DrillCheck


def test_a_word_is_a_name_and_a_command() -> None:
    assert read("config=nginx -t -c a=b") == [DrillCheck(name="config", run="nginx -t -c a=b")]


def test_a_file_has_all_fields(tmp_path: Path) -> None:
    path = tmp_path / "a=b.yaml"
    path.write_text(
        "- {name: a, run: b, image: i}\n- {name: c, run: d, user: x, chroot: false, expect: 1}\n"
    )
    assert read(str(path)) == [
        DrillCheck(name="a", run="b", image="i"),
        DrillCheck(name="c", run="d", user="x", chroot=False, expect=1),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "name: a",
        "- a",
        "- {name: a}",
        "- {run: a}",
        "- {name: a, run: b, outptu: c}",
        "- {name: a, run: b, image: ''}",
        "- {name: a, run: b, image: 3}",
        "- {name: a, run: ''}",
        "- {name: a, run: ' '}",
        "- {name: '', run: b}",
        "- {name: a, run: b, expect: '1'}",
        "- {name: a, run: b, expect: true}",
        "- {name: a, run: b, timeout: 0}",
        "- {name: a, run: b, output: '('}",
        "- [",
    ],
)
def test_what_is_no_list_of_checks_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "checks.yaml"
    path.write_text(text)
    with pytest.raises(UsageError):
        read(str(path))


@pytest.mark.parametrize("word", ["=true", "name=", "name= "])
def test_a_word_without_a_name_or_a_command_is_refused(word: str) -> None:
    with pytest.raises(UsageError):
        read(word)


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        read(str(tmp_path / "none"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(UsageError):
        read(str(tmp_path / "binary"))
