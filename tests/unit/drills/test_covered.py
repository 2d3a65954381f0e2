"""Coverage: what drills have proved, counted while a drill compares."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from borgpull.drills.covered import Covered
from borgpull.state.drills import Proofs
from tests.support.entries import entries_of

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_what_is_proved_while_it_is_compared_counts(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    for number in range(4):
        (root / f"folder/file{number}").write_text("x" * (number + 1))
    (root / "further").hardlink_to(root / "folder/file0")
    entries = [entry._replace(ctime_ns=0) for entry in entries_of(root)]
    (tmp_path / "state/clients/web1").mkdir(parents=True)
    proofs = Proofs(tmp_path / "state", "web1", 90)
    covered = Covered(proofs, NOW)
    for entry in covered.after(entries):
        if entry.item.path.endswith(("file1", "file3")):
            covered.proves(entry)
    told = covered.told()
    assert told["proved"] == {"files": 2, "bytes": 2 + 4}
    assert told["all"] == {"files": 4, "bytes": 1 + 2 + 3 + 4}
    assert told["oldest_unproved"] == NOW.isoformat()


def test_all_that_is_proved_leaves_nothing_that_waits(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/file").write_text("x")
    (tmp_path / "state/clients/web1").mkdir(parents=True)
    proofs = Proofs(tmp_path / "state", "web1", 90)
    entries = entries_of(tmp_path / "root")
    for entry in entries:
        if entry.sha256:
            proofs.add(entry.item.path, entry.sha256)
    covered = Covered(proofs, NOW)
    assert [*covered.after(entries)] == entries
    assert covered.told()["oldest_unproved"] is None
