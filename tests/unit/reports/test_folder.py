from __future__ import annotations

import errno
import json
import subprocess
from pathlib import Path
from unittest.mock import Mock

import pytest

from borgpull.errors import DrillFailed
from borgpull.outputs.drills import Drill
from borgpull.reports import REPORTS, folder, record
from borgpull.ssh.signing import sign
from borgpull.state import drills
from tests.support.reports import hostile, report


def test_the_record_is_verified_as_the_page_says(tmp_path: Path) -> None:
    told = hostile()
    signature, key = sign(tmp_path, "key", drills.record(told))
    told["signature"], told["public_key"] = signature, key
    reports = tmp_path / "reports"
    written = folder.write(told, reports)
    assert {path.name for path in written} == set(REPORTS) == {p.name for p in reports.iterdir()}
    assert json.loads((reports / "drill.json").read_bytes()).keys() == Drill.__annotations__.keys()
    verify = ["bash", "-c", record.VERIFY]
    assert subprocess.run(verify, cwd=reports, capture_output=True, check=False).returncode == 0
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", tmp_path / "key.pub"], capture_output=True, text=True, check=True
    )
    assert record.fingerprint(told) == shown.stdout.split()[1]
    assert record.fingerprint(told) in (reports / "drill.html").read_text()
    text = (reports / "drill.json").read_text()
    (reports / "drill.json").write_text(text.replace('"differs"', '"pass"'))
    assert subprocess.run(verify, cwd=reports, capture_output=True, check=False).returncode != 0


def test_no_signature_of_an_earlier_drill_stays(tmp_path: Path) -> None:
    folder.write(report(signature="one\n", public_key="borgpull ssh-ed25519 AAAA\n"), tmp_path)
    written = folder.write(report(), tmp_path)
    assert [path.name for path in written] == [
        "junit.xml", "summary.md", "drill.html", "drill.json",
    ]  # fmt: skip
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in written}
    assert "NOT signed" in (tmp_path / "drill.html").read_text()


def test_a_report_that_cannot_be_written_leaves_no_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = folder.write(report(), tmp_path)
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr("borgpull.state.files.replace", Mock(side_effect=full))
    with pytest.raises(DrillFailed, match="No space"):
        folder.write(report(outcome="differs"), tmp_path)
    assert len(written) == 4 and list(tmp_path.iterdir()) == []


def test_the_same_drill_gives_the_same_bytes() -> None:
    for render in REPORTS.values():
        assert render(hostile()) == render(hostile())


def test_a_folder_that_cannot_be_written_fails_the_drill(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "full" / "summary.md").mkdir(parents=True)  # no file can take its place
    for place in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "full"):
        with pytest.raises(DrillFailed, match="cannot write"):
            folder.write(report(), place)


def test_a_key_that_is_none_has_no_fingerprint() -> None:
    assert record.fingerprint(report(signature="x", public_key="borgpull AAAA*")) == ""
