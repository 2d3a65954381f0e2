"""The positive control: a comparison that is blind to something says so, and nothing is left."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from borgpull.drills.compare import CANDIDATES, Comparison
from borgpull.drills.control import EXTRA, control
from borgpull.drills.findings import Found
from borgpull.drills.tree import Tree
from borgpull.errors import NotProved
from borgpull.trees.manifest import Entry
from tests.support.entries import ACCESS, ACL, CAPABILITY, corpus, entries_of

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes devices and owners")
KINDS = ["byte", "mode", "owner", "xattr", "missing", "extra"]


def controlled(root: Path, wanted: list[Entry], blind: str = "", only: str = "") -> dict[str, bool]:
    """What was seen, by kind. `only` is the candidate."""
    with contextlib.closing(Tree(root)) as tree:
        one = Comparison(tree, Found())
        one.run(wanted, lambda entry: None)
        assert not one.found.kinds
        candidates = [entry for entry in one.candidates if only in ("", entry.item.path)]
        done = control(tree, root, candidates, lambda found: Comparison(tree, found, blind={blind}))
    return {item["kind"]: item["seen"] for item in done}


def all_of(root: Path) -> list[object]:
    """What the control must leave as it was. Reading a file changes its atime."""
    st = root.stat()
    return [(st.st_mode, st.st_mtime_ns)] + [
        (one.item, one.rdev, one.sha256, one.xattrs, one.access, one.default)
        for one in entries_of(root)
    ]


@pytest.mark.parametrize(
    ("blind", "kind"),
    {
        "": "",
        "content": "byte",
        "mode": "mode",
        "owner": "owner",
        "xattr": "xattr",
        "missing": "missing",
        "extra": "extra",
    }.items(),
)
def test_a_blind_comparison_is_told(blind: str, kind: str, tmp_path: Path) -> None:
    root = corpus(tmp_path / "root")
    before = all_of(root)
    seen = controlled(root, entries_of(root), blind)
    assert seen == {name: name != kind for name in KINDS}
    assert all_of(root) == before


@pytest.mark.parametrize("content", [b"x", b""])
def test_one_single_file_is_enough(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    before = all_of(tmp_path)
    assert controlled(tmp_path, entries_of(tmp_path)) == dict.fromkeys(KINDS, True)
    assert controlled(tmp_path, entries_of(tmp_path), "content")["byte"] is False
    assert all_of(tmp_path) == before


@pytest.mark.parametrize("mode", [0o755, 0o4755, 0o2755, 0o000, 0o7777])
@pytest.mark.parametrize("group", [0, 1, 4321, 65534, 0xFFFFFFFE])
def test_a_file_with_everything_is_put_right(mode: int, group: int, tmp_path: Path) -> None:
    """The kernel takes away a capability and the set-user-ID bit at each change."""
    path = tmp_path / "file"
    path.write_bytes(b"content")
    os.link(path, tmp_path / "other")
    os.chown(path, 1234, group)
    path.chmod(mode)
    os.setxattr(path, ACCESS, ACL)
    path.chmod(mode)
    os.setxattr(path, "user.borgpull-control", b"1")
    os.setxattr(path, "security.capability", CAPABILITY)
    os.utime(path, ns=(0, 123_456_789))
    before = all_of(tmp_path)
    wanted = entries_of(tmp_path)
    assert controlled(tmp_path, wanted) == dict.fromkeys(KINDS, True)
    assert all_of(tmp_path) == before
    # A lost capability must not stand for the byte.
    assert controlled(tmp_path, wanted, "content")["byte"] is False
    assert controlled(tmp_path, wanted, "owner")["owner"] is False


def test_names_of_the_control_may_be_the_clients(tmp_path: Path) -> None:
    for name in (EXTRA, f"{EXTRA}1", f"{EXTRA}-aside"):
        (tmp_path / name).write_bytes(b"the client's")
    before = all_of(tmp_path)
    assert controlled(tmp_path, entries_of(tmp_path)) == dict.fromkeys(KINDS, True)
    assert all_of(tmp_path) == before


@pytest.mark.parametrize("name", ["n" * 255, "caf\udce9", "folder/file", "closed/file"])
def test_any_file_may_be_spoilt(name: str, tmp_path: Path) -> None:
    root = corpus(tmp_path / "root")
    before = all_of(root)
    assert controlled(root, entries_of(root), only=name) == dict.fromkeys(KINDS, True)
    assert all_of(root) == before


def test_without_a_proved_file_there_is_no_control(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(NotProved):
        controlled(tmp_path, entries_of(tmp_path))


def test_what_has_content_is_spoilt_before_what_has_none(tmp_path: Path) -> None:
    for number in range(CANDIDATES + 5):
        (tmp_path / f"a{number}").touch()
        (tmp_path / f"b{number}").write_bytes(b"x")
    with contextlib.closing(Tree(tmp_path)) as tree:
        one = Comparison(tree, Found())
        one.run(entries_of(tmp_path), lambda entry: None)
    assert len(one.candidates) == CANDIDATES
    assert all(entry.item.size for entry in one.candidates)


def test_attributes_that_nobody_has_seen_are_not_spoilt(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    wanted = [one._replace(xattrs=None) for one in entries_of(tmp_path)]
    expected = {kind: True for kind in KINDS if kind != "xattr"}
    assert controlled(tmp_path, wanted) == expected
