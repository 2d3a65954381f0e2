"""The table of exit codes, and which of them a later try can cure."""

from __future__ import annotations

import re

import pytest

from borgpull import errors
from tests.support.documents import REFERENCE


def test_what_a_later_try_can_cure() -> None:
    """What is down or in use may be up or free later; all else stays as it is until somebody acts.

    Whoever adds a code here says with it that running the job again does no harm.
    """
    assert errors.retried() == (33, 34, 43, 137, 143)
    assert errors.Interrupted.exit_code not in errors.retried(), "who pressed Ctrl-C wants an end"


def test_one_class_changes_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors.HostUnreachable, "retry", False)
    monkeypatch.setattr(errors.StorageFailed, "retry", True)
    assert errors.retried() == (34, 43, 54, 137, 143)


def test_the_table_in_the_documents_says_the_same() -> None:
    rows = re.findall(r"^\| (\d+) \| [^|]+ \| (yes|no) \|$", REFERENCE.read_text(), re.MULTILINE)
    assert [int(code) for code, _ in rows] == [row.code for row in errors.rows()]
    assert tuple(int(code) for code, word in rows if word == "yes") == errors.retried()


def test_no_row_is_there_twice() -> None:
    codes = [row.code for row in errors.rows()]
    assert len(set(codes)) == len(codes) == len(errors.all_errors()) + 3
