"""A tar file that a restore has made is read back, and compared like any target."""

from __future__ import annotations

import gzip
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from borgpull.borg.command import Borg
from borgpull.errors import NotRestored, TargetNotUsable, UsageError
from borgpull.jobs import Restore
from borgpull.launchers.container import mounts, privileges
from borgpull.launchers.needs import restored_into
from borgpull.places import Places
from borgpull.restores import local
from borgpull.restores.comparison import Comparison
from borgpull.restores.survey import look
from borgpull.trees.item import Item

FILE = Item(
    path="d/f\udce9",
    place="d/f\udce9",
    mode="-rwsr-x---",
    size=3,
    mtime_ns=10**18 + 5,
    uid=4294967293,
    gid=7,
    user="alice",
    group="crew",
)
LATER = FILE._replace(path="d/g", place="d/g")
LINK = FILE._replace(
    path="l", place="l", mode="lrwxrwxrwx", size=0, target="to\nnowhere\udcff", links=""
)
ITEMS = [FILE._replace(links=FILE.path), LATER._replace(links=FILE.path), LINK]


def members() -> bytes:
    """What borg would have made of ITEMS."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, kind, link in (
            (FILE.place, tarfile.REGTYPE, ""),
            (LATER.place, tarfile.LNKTYPE, FILE.place),
            (LINK.place, tarfile.SYMTYPE, LINK.target or ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mtime = kind, link, 10**9
            info.mode, info.uid, info.gid = 0o4750, FILE.uid, FILE.gid
            info.size = 3 if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(b"abc"))
    return made.getvalue()


def differences(path: Path, folder: Path, items: list[Item]) -> dict[str, int]:
    job = Restore(archive="x", how="local", into=str(path), overwrite="always")
    borg = Borg(client="web1", repository=folder, base=folder, passphrase=None, host_id="x")
    with local.open_site(job, borg, folder, lambda _event: None) as site:
        comparison = Comparison(replace(site, losses=frozenset()), numeric=False)
        for batch in (items[:2], items[2:]):
            comparison.add(batch, look(site, batch, "verify"))
        return dict(comparison.end(items).kinds)


def test_what_is_in_a_tar_file_is_compared(tmp_path: Path) -> None:
    path = tmp_path / "web1.tar.gz"
    path.write_bytes(gzip.compress(members()))
    assert differences(path, tmp_path, ITEMS) == {}
    first, later, link = ITEMS
    changed = [
        first._replace(uid=1, user="bob"),
        later._replace(mode="-rwxr-x---", size=4),
        link._replace(target="elsewhere", mtime_ns=0),
        FILE._replace(path="gone", place="gone"),
    ]
    expected = {"owners": 1, "modes": 1, "sizes": 1, "targets": 1, "times": 1, "missing": 1}
    assert differences(path, tmp_path, changed) == expected
    alone = [first, link._replace(mode="prw-r--r--"), later._replace(links="", path="d", place="d")]
    assert differences(path, tmp_path, alone) == {"types": 1, "missing": 1}


@pytest.mark.parametrize("damage", [slice(0, 60), slice(0, -8), slice(4, None)])
def test_a_damaged_file_is_no_success(tmp_path: Path, damage: slice) -> None:
    path = tmp_path / "web1.tar.gz"
    path.write_bytes(gzip.compress(members())[damage])
    with pytest.raises(NotRestored, match="cannot be read back"):
        differences(path, tmp_path, ITEMS)


def test_what_names_a_tar_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder.tar").mkdir()
    with pytest.raises(TargetNotUsable, match="is a folder"):
        differences(tmp_path / "folder.tar", tmp_path, ITEMS)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="no zstd here") as caught:
        differences(tmp_path / "web1.tar.zst", tmp_path, ITEMS)
    assert caught.value.hint == "what works here: .tar"


def test_the_launcher_mounts_the_folder_of_the_file(tmp_path: Path) -> None:
    for name in ("repo", "state"):
        (tmp_path / name).mkdir()
    places = Places(repo=str(tmp_path / "repo"), state=str(tmp_path / "state"), passphrase="")
    into = tmp_path / "new" / "web1.tar"
    job = Restore(archive="x", how="local", into=str(into), places=places)
    found = {mount["Target"]: mount["Source"] for mount in mounts(job)}
    assert found["/restore"] == str(into.parent)
    assert restored_into(job) == "/restore/web1.tar"
    assert "MKNOD" not in privileges(job, "userns")["cap_add"]
    assert restored_into(replace(job, into="/srv/x")) == "/restore"
