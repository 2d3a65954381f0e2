"""Manifests' entries, made of a real folder; and a corpus with every kind of entry."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from borgpull.trees.item import Item
from borgpull.trees.manifest import Entry

ACCESS, DEFAULT = b"system.posix_acl_access", b"system.posix_acl_default"
TIME = 1_600_000_000_123_456_789
# cap_net_bind_service=ep
CAPABILITY = bytes.fromhex("0100000200040000" + "00" * 12)


def entry_of(root: Path, path: str, links: dict[tuple[int, int], str]) -> Entry:
    """`links` has the first names of hard links, by their inodes."""
    real = os.path.join(root, path)
    st = os.lstat(real)
    kind = stat.S_IFMT(st.st_mode)
    first = ""
    if st.st_nlink > 1 and kind != stat.S_IFDIR:
        first = links.setdefault((st.st_dev, st.st_ino), path)
    names = os.listxattr(real, follow_symlinks=False)
    xattrs = {os.fsencode(name): os.getxattr(real, name, follow_symlinks=False) for name in names}
    access, default = xattrs.pop(ACCESS, b""), xattrs.pop(DEFAULT, b"")
    regular = kind == stat.S_IFREG
    item = Item(
        path=path,
        mode=stat.filemode(st.st_mode),
        size=st.st_size if regular else 0,
        mtime_ns=st.st_mtime_ns,
        uid=st.st_uid,
        gid=st.st_gid,
        user=st.st_uid,
        group=st.st_gid,
        target=os.readlink(real) if kind == stat.S_IFLNK else "",
        links=first,
        xattrs=",".join(sorted(map(bytes.hex, xattrs))),
        acls=bool(access) + 2 * bool(default),
        flags=0,
    )
    content = hashlib.sha256(Path(real).read_bytes()).hexdigest() if regular else None
    if first not in ("", path):
        content = None
    device = st.st_rdev if kind in (stat.S_IFCHR, stat.S_IFBLK) else 0
    return Entry(item, st.st_ctime_ns, device, content, xattrs, access, default)


def entries_of(root: Path) -> list[Entry]:
    """All but the root, each folder before its content."""
    links: dict[tuple[int, int], str] = {}
    return [entry_of(root, path, links) for path in sorted(_paths(root))]


def _paths(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            yield os.path.relpath(os.path.join(folder, name), root)


def keeping(path: Path, change: Callable[[Path], object]) -> None:
    """Change it, and put back its times."""
    before = path.lstat()
    change(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns), follow_symlinks=False)


def acl(*entries: tuple[int, int, int]) -> bytes:
    """As the kernel has it (linux/posix_acl_xattr.h): tag, rights, number of each entry."""
    rows = (
        tag.to_bytes(2, "little") + rights.to_bytes(2, "little") + who.to_bytes(4, "little")
        for tag, rights, who in entries
    )
    return (2).to_bytes(4, "little") + b"".join(rows)


NOBODY = 0xFFFFFFFF
ACL = acl((1, 6, NOBODY), (2, 6, 1234), (4, 4, NOBODY), (0x10, 6, NOBODY), (0x20, 4, NOBODY))


def corpus(root: Path) -> Path:
    """A folder with every kind of entry. For root."""
    root.mkdir()
    for name, data in {
        "plain": b"plain",
        "empty": b"",
        "large": bytes(range(256)) * 1000,
        "setuid": b"#!/bin/sh\n",
        "xattr": b"x",
        "acl": b"x",
        "capability": b"x",
        "owner": b"x",
        "one": b"linked",
        "secret": b"s",
        " a name\twith\nlines ": b"x",
        "caf\udce9": b"no UTF-8",
        "caf\u00e9": b"UTF-8",
        "n" * 255: b"long",
        **dict.fromkeys(["twin", "other-twin", "pair", "second-pair"], b"all the same"),
    }.items():
        (root / name).write_bytes(data)
    (root / "setuid").chmod(0o4755)
    (root / "secret").chmod(0o000)
    os.setxattr(root / "xattr", "user.note", b"value")
    os.setxattr(root / "acl", ACCESS, ACL)
    os.setxattr(root / "capability", "security.capability", CAPABILITY)
    os.chown(root / "owner", 1234, 4321)
    for name in ("two", "three"):
        os.link(root / "one", root / name)
    for name in ("pair", "second-pair"):
        os.link(root / name, root / f"{name}-link")
    (root / "folder/below/deep").mkdir(parents=True)
    (root / "folder/file").write_bytes(b"in a folder")
    (root / "folder/below/deep/file").write_bytes(b"deep")
    (root / "default").mkdir()
    os.setxattr(root / "default", DEFAULT, ACL)
    (root / "closed").mkdir()
    (root / "closed/file").write_bytes(b"x")
    (root / "closed").chmod(0o000)
    (root / "empty-folder").mkdir()
    (root / "link").symlink_to("plain")
    (root / "dangling").symlink_to("/no/such/thing")
    (root / "to-folder").symlink_to("folder")
    os.mkfifo(root / "fifo", 0o640)
    os.mknod(root / "null", stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(root / "block", stat.S_IFBLK, os.makedev(7, 200))
    (root / "null").chmod(0o666)
    (root / "block").chmod(0o660)
    (root / "empty-folder").chmod(0o1777)
    (root / "plain").chmod(0o644)
    with (root / "sparse").open("wb") as file:
        file.truncate(1 << 22)
        file.seek(1 << 20)
        file.write(b"data")
    for path in sorted(_paths(root), reverse=True):
        os.utime(root / path, ns=(TIME, TIME), follow_symlinks=False)
    os.utime(root, ns=(TIME, TIME))
    return root
