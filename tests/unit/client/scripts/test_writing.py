"""What the helper of a restore does with attributes, where something fails or is in its way."""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from borgpull.client.scripts import write, writing, writing_attributes
from borgpull.client.scripts.writing_attributes import acl, without

ACCESS, DEFAULT = writing_attributes.ACLS
ME = {"u": [os.getuid(), None], "g": [os.getgid(), None]}
OTHER = 54321
# user::rwx, user:OTHER:rwx, group::r-x, mask::rwx, other::---
WIDE: list[list[Any]] = [[1, 7], [2, 7, OTHER, None], [4, 5], [16, 7], [32, 0]]


def head(path: str, mode: int, **more: Any) -> dict[str, Any]:
    return {"p": path, "m": mode, "t": [0, 0], **ME, **more}


@pytest.fixture(autouse=True)
def report(monkeypatch: pytest.MonkeyPatch) -> writing.Report:
    made = writing.Report()
    for module in (write, writing, writing_attributes):
        monkeypatch.setattr(module, "report", made)
    return made


@pytest.fixture
def target(tmp_path: Path) -> Iterator[write.Target]:
    before = os.umask(0o077)
    try:
        yield write.Target(os.fsencode(tmp_path))
    finally:
        os.umask(before)


def troubles(made: writing.Report) -> list[tuple[str, int]]:
    """What has failed, and its errno."""
    found = [struct.unpack_from("<IBi", part, 5) for part in made.parts]
    return [(writing.OPS[op], code) for _, op, code in found]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def refuse(monkeypatch: pytest.MonkeyPatch, name: str, code: int) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, name, refused)


def test_nothing_gets_the_acls_of_the_folder_that_it_is_made_in(
    target: write.Target, tmp_path: Path, report: writing.Report
) -> None:
    os.setxattr(tmp_path, DEFAULT, acl(WIDE))
    target.take(write.FOLDER, {"p": "d"}, b"")
    target.take(write.FILE, head("d/file", stat.S_IFREG | 0o640, c=1), b"x")
    target.take(write.NODE, head("d/fifo", stat.S_IFIFO | 0o640), b"")
    own = head("d/own", stat.S_IFREG | 0o670, c=1, a=[WIDE, []])
    target.take(write.FILE, own, b"x")
    assert DEFAULT in os.listxattr(tmp_path / "d")  # which it has from above
    target.take(write.CLOSE, head("d", stat.S_IFDIR | 0o750), b"")
    assert troubles(report) == []
    for name in ("d", "d/file", "d/fifo"):
        assert os.listxattr(tmp_path / name) == [], name
    assert os.getxattr(tmp_path / "d/own", ACCESS) == acl([[1, 6], *WIDE[1:]])
    modes = [mode(tmp_path / name) for name in ("d", "d/file", "d/fifo", "d/own")]
    assert modes == [0o750, 0o640, 0o640, 0o670]


def test_without_its_acl_a_group_has_no_rights_of_the_mask(
    target: write.Target,
    tmp_path: Path,
    report: writing.Report,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The bits of the group are the mask's, if there is an ACL."""
    refuse(monkeypatch, "setxattr", errno.EOPNOTSUPP)
    target.take(write.FILE, head("a", stat.S_IFREG | 0o670, c=1, a=[WIDE, []]), b"x")
    assert troubles(report) == [("acl", errno.EOPNOTSUPP)]
    assert mode(tmp_path / "a") == 0o650


@pytest.mark.parametrize(
    ("more", "bits"),
    [
        ([[4, 5], [16, 7], [32, 4]], 0o054),
        ([[4, 7], [16, 5], [32, 4]], 0o054),
        ([[2, 0, OTHER, None], [4, 4], [16, 7], [32, 4]], 0),  # he may be in the group
        ([[8, 0, OTHER, None], [4, 4], [16, 7], [32, 4]], 0o040),
        ([[8, 6, OTHER, None], [4, 4], [16, 7], [32, 4]], 0o044),
        ([[2, 7, OTHER, None], [4, 4], [16, 5], [32, 7]], 0o045),
    ],
)
def test_without_an_acl_nobody_may_do_more_than_by_it(more: list[list[Any]], bits: int) -> None:
    entries = [[1, 7], *more]
    others = next(may for tag, may, *_ in more if tag == 32)
    mode = 0o770 | others & (~0o077 | without(entries))
    assert 0o777 & mode & (~0o077 | without(entries)) == 0o700 | bits


def test_an_id_that_nobody_knows_is_no_entry_of_an_acl() -> None:
    """borg stores a name that it has not found without a number."""
    with pytest.raises(ValueError, match="nobody knows"):
        acl([[2, 7, 0xFFFFFFFF, "no such user"]])


@pytest.mark.parametrize(
    "lists", [[], [[[1, 7], [2, 7, OTHER, None], [4, 0], [16, 7], [32, 0]], []]]
)
def test_a_folder_that_is_there_gives_its_new_group_no_rights_of_the_old_one(
    target: write.Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lists: list[Any]
) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    os.setxattr(folder, ACCESS, acl(WIDE))
    seen: list[int] = []

    def watched(call: Any) -> Any:
        def called(*words: Any, **more: Any) -> None:
            call(*words, **more)
            if ACCESS not in os.listxattr(folder):
                seen.append(mode(folder) & 0o077)

        return called

    for name in ("chown", "setxattr", "removexattr", "chmod"):
        monkeypatch.setattr(os, name, watched(getattr(os, name)))
    target.take(write.CLOSE, head("d", stat.S_IFDIR | 0o770 * bool(lists) | 0o700, a=lists), b"")
    assert set(seen) <= {0}
    assert mode(folder) == (0o770 if lists else 0o700)


def test_the_acl_is_there_before_the_mode(
    target: write.Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chmod, before = os.chmod, []

    def seen(what: int, bits: int) -> None:
        before.append((mode(tmp_path / "d"), os.listxattr(what)))
        chmod(what, bits)

    monkeypatch.setattr(os, "chmod", seen)
    target.take(write.FOLDER, {"p": "d"}, b"")
    closed: list[list[Any]] = [[1, 7], [2, 7, OTHER, None], [4, 0], [16, 7], [32, 0]]
    target.take(write.CLOSE, head("d", stat.S_IFDIR | 0o770, a=[closed, []]), b"")
    assert before == [(0o770, [ACCESS])]


@pytest.mark.parametrize("code", [errno.EPERM, errno.EINVAL])
def test_a_setuid_program_that_cannot_get_its_owner_is_none(
    target: write.Target,
    tmp_path: Path,
    report: writing.Report,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
) -> None:
    """It would be one of whoever restores it. EINVAL is of an id that a user namespace has not."""
    refuse(monkeypatch, "chown", code)
    target.take(write.FILE, head("a", stat.S_IFREG | 0o6755, c=1, u=[OTHER, None]), b"x")
    assert mode(tmp_path / "a") == 0o755
    assert troubles(report) == ([("chown", code)] if code == errno.EINVAL else [])


def test_an_id_that_chown_takes_for_none_is_refused(
    target: write.Target, tmp_path: Path, report: writing.Report
) -> None:
    target.take(write.FILE, head("a", stat.S_IFREG | 0o4755, c=1, u=[0xFFFFFFFF, None]), b"x")
    assert troubles(report) == [("chown", errno.EINVAL)]
    assert mode(tmp_path / "a") == 0o755


def test_an_owner_by_name_whose_number_is_somebody_else_s_is_told(
    target: write.Target, report: writing.Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The survey would find the archive's number there, and take it for right."""
    refuse(monkeypatch, "chown", errno.EPERM)
    monkeypatch.setitem(writing_attributes.known, (0, "alice"), OTHER)
    for name in ("alice", None):
        target.take(write.FILE, head("a", stat.S_IFREG, c=1, u=[os.getuid(), name]), b"x")
    assert troubles(report) == [("chown", errno.EPERM)]


def test_a_file_server_that_is_full_says_so_before_the_file_has_its_name(
    target: write.Target, tmp_path: Path, report: writing.Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By close(2) of a copy of the descriptor."""
    (tmp_path / "a").write_text("old")
    target.take(write.FILE, head("a", stat.S_IFREG | 0o600), b"new")
    assert target.file is not None
    close, copies, dup = os.close, [], os.dup

    def copied(handle: int) -> int:
        copies.append(dup(handle))
        return copies[-1]

    def closed(handle: int) -> None:
        close(handle)
        if handle in copies:
            raise OSError(errno.EDQUOT, "full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "dup", copied)
        patch.setattr(os, "close", closed)
        target.take(write.END, {}, b"")
    assert troubles(report) == [("write", errno.EDQUOT)]
    assert (tmp_path / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_no_name_of_a_file_that_failed_is_a_link_to_what_is_in_its_place(
    target: write.Target, tmp_path: Path, report: writing.Report
) -> None:
    (tmp_path / "a").write_text("older")
    (tmp_path / "b").write_text("old")
    target.take(write.FILE, head("a", stat.S_IFREG | 0o600), b"new")
    target.take(write.DROP, {}, b"")
    target.take(write.LINK, {"p": "b", "s": "./a"}, b"")
    assert troubles(report) == [("make", errno.ENOENT)]
    assert (tmp_path / "b").read_text() == "old"
    target.take(write.FILE, head("a", stat.S_IFREG | 0o600, c=1), b"new")
    target.take(write.LINK, {"p": "b", "s": "a"}, b"")
    assert (tmp_path / "b").read_text() == "new"


def test_a_folder_that_may_not_be_listed_may_be_passed(
    target: write.Target, tmp_path: Path, report: writing.Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "d").mkdir()
    really = os.open

    def forbidden(path: Any, flags: int, *mode: int, **more: Any) -> int:
        if path == b"d" and not flags & os.O_PATH:
            raise PermissionError(errno.EACCES, "forbidden")
        return really(path, flags, *mode, **more)

    monkeypatch.setattr(os, "open", forbidden)
    target.take(write.FILE, head("d/file", stat.S_IFREG | 0o600, c=1), b"x")
    target.take(write.CLOSE, head("d", stat.S_IFDIR | 0o711), b"")
    assert troubles(report) == []
    assert (mode(tmp_path / "d"), (tmp_path / "d/file").read_text()) == (0o711, "x")
