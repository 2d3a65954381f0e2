"""The client's mounts, from its own /proc/self/mountinfo (proc(5)): what to leave out.

borg's --one-file-system cannot do it: the whole sshfs mount is one device (facts, section 3).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from borgpull.borg.patterns import alternatives, literal
from borgpull.outputs.backups import Mount
from borgpull.trees.folders import above, lies_in

# The kernel's own interfaces: they are never saved, and there is no warning.
KERNEL = frozenset(
    """
    binder binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl
    hugetlbfs mqueue nsfs proc pstore resctrl rpc_pipefs securityfs selinuxfs sysfs tracefs
    fuse.lxcfs fuse.portal fuse.gvfsd-fuse
    """.split()
)
# Memory, and folders mounted on access (autofs), in the places where systems have them. Nothing
# there outlives a restart. In other places a user has mounted them (a disk of memory, say).
MEMORY = frozenset({"autofs", "ramfs", "tmpfs"})
MEMORY_PLACES = ("/run", "/tmp", "/var/tmp", "/dev", "/proc", "/sys")  # noqa: S108 - the client's
# Views of other folders, in the places where containers and packages have them. Elsewhere a view
# may hold the only data: /etc of some systems is an overlay, and so is /usr with systemd-sysext.
VIEWS = frozenset({"overlay", "squashfs"})
VIEW_PLACES = (
    *("/var/lib/docker", "/var/lib/containers", "/var/lib/containerd", "/var/lib/kubelet"),
    *("/var/lib/lxc", "/var/lib/snapd", "/var/snap", "/snap", "/run"),
)
PSEUDO = KERNEL | MEMORY | VIEWS
# Data of other machines; a dead file server would hang the walk. Every fuse.* but LOCAL_FUSE counts
# as remote, too.
REMOTE = frozenset(
    """
    9p afs ceph cifs smb3 gfs2 glusterfs lustre nfs nfs4 ocfs2 virtiofs davfs
    """.split()
)
LOCAL_FUSE = frozenset(
    """
    fuseblk fuse.ntfs-3g fuse.exfat fuse.mergerfs fuse.bindfs
    """.split()
)
# The usual places, if the client shows no mountinfo (an SFTP-only account in a chroot). They may be
# ordinary folders there, so there is a warning.
FALLBACK = ("/proc", "/sys", "/dev", "/run")
# The longest pattern, in characters: the kernel limits a word of a command line (execve(2)).
PATTERN_LENGTH = 60_000


class LeftOut(NamedTuple):
    path: str
    fstype: str
    keep_folder: bool  # the mount point itself is archived, empty

    @property
    def expected(self) -> bool:
        """Is such a mount always left out? Else it may hold data that the user wants to save."""
        places = {**dict.fromkeys(VIEWS, VIEW_PLACES), **dict.fromkeys(MEMORY, MEMORY_PLACES)}
        if self.fstype in places:
            return any(lies_in(self.path, place) for place in places[self.fstype])
        return self.fstype in KERNEL

    def fact(self) -> Mount:
        """The mount's row in the result."""
        found: Mount = {"path": self.path, "fstype": self.fstype}
        return found if self.expected else {**found, "asked": False}


class Mounts(NamedTuple):
    """What a backup does with a client's mounts: for borg, for `find`, and for the result."""

    left_out: tuple[LeftOut, ...] = ()
    disks: tuple[str, ...] = ()  # saved, with the folders between, below a mount that is left out

    def facts(self) -> tuple[Mount, ...]:
        return tuple(item.fact() for item in self.left_out)

    def points(self) -> list[str]:
        """The places where a walk from `starts` turns back."""
        return [item.path for item in self.left_out]

    def starts(self, roots: Sequence[str]) -> list[str]:
        return [*roots, *self.disks]

    def patterns(self) -> list[str]:
        """borg's patterns for all mounts. They are few: each one costs time for each file."""
        found: list[str] = []
        for item in self.left_out:
            text = self._expression(item)
            if found and len(found[-1]) + len(text) < PATTERN_LENGTH:
                found[-1] += f"|{text}"
            else:
                found.append(text)
        return [f"re:^(?:{text})" for text in found]

    def _expression(self, item: LeftOut) -> str:
        """The regular expression for the part of a mount that is not saved.

        borg enters no folder that a pattern leaves out. So folders that lead to a disk are saved.
        """
        name, start = literal(item.path), len(item.path) + 1
        below = [disk for disk in self.disks if lies_in(disk, item.path)]
        if not below:
            return f"{name}/" if item.keep_folder else rf"{name}(?:/|\Z)"
        between = {path for disk in below for path in above(disk) if len(path) > start}
        keep = [
            *(rf"{literal(disk[start:])}(?:/|\Z)" for disk in below),
            *(rf"{literal(path[start:])}\Z" for path in sorted(between)),
        ]
        return f"{name}/(?!{alternatives(keep)})"


class Line(NamedTuple):
    """A line of mountinfo: mount, parent, device, the mounted folder of that, and mount point.

    `options` are those of the file system.
    """

    number: bytes
    parent: bytes
    device: bytes
    root: str
    point: str
    fstype: str
    source: bytes
    options: str


def parse(mountinfo: bytes) -> dict[str, str]:
    """The file system types of the visible mounts, by mount point."""
    return {point: line.fstype for point, line in visible(mountinfo).items()}


def visible(mountinfo: bytes) -> dict[str, Line]:
    """The visible mounts, by mount point.

    A mount hides its folder, and all that was mounted below that folder before. So each mount's
    parent is looked at. A mount whose parent is not listed counts as visible.
    """
    every = list(lines(mountinfo))
    known = {line.number for line in every}
    on: dict[tuple[bytes | None, str], Line] = {}
    for line in every:
        own = line.parent not in known or line.parent == line.number
        on[None if own else line.parent, line.point] = line
    seen: dict[str, Line] = {}
    for point in sorted({point for _, point in on}):
        under = next((seen[path].number for path in above(point) if path in seen), None)
        while found := on.pop((under, point), None) or on.pop((None, point), None):
            under, seen[point] = found.number, found
    return seen


def lines(mountinfo: bytes) -> Iterator[Line]:
    """All mounts, also those that others hide."""
    for line in mountinfo.splitlines():
        head, _, tail = line.partition(b" - ")
        fields, words = head.split(), tail.split()
        if len(fields) >= 5 and words:
            root, point = (
                re.sub(rb"\\([0-3][0-7]{2})", lambda m: bytes([int(m[1], 8)]), field).decode(
                    errors="surrogateescape"
                )
                for field in fields[3:5]
            )
            fstype, options = (word.decode(errors="replace") for word in (words[0], words[-1]))
            source = b"".join(words[1:2])
            yield Line(fields[0], fields[1], fields[2], root, point, fstype, source, options)


def of_client(
    mountinfo: bytes | None, paths: Sequence[str], hollow: Collection[str] = ()
) -> Mounts:
    """The mounts that a backup of `paths` leaves out, and the disks below them that it saves.

    A mount stays if it is a named path, or if a named path lies in it. A disk below a mount that is
    left out is saved: it lies below a named path. Without mountinfo, the folders of FALLBACK are
    left out, except for `hollow` ones, which are missing or empty.
    """

    def named(point: str) -> bool:
        return any(lies_in(path, point) for path in paths)

    def concerned(point: str) -> bool:
        return not named(point) and any(lies_in(point, path) for path in paths)

    if mountinfo is None:
        usual = [path for path in FALLBACK if concerned(path) and path not in hollow]
        return Mounts(tuple(LeftOut(path, "unknown", True) for path in usual))
    found: dict[str, LeftOut | None] = {}  # None: saved, below one that is left out
    room = PATTERN_LENGTH
    for point, fstype in sorted(parse(mountinfo).items()):
        if point == "/" or not concerned(point):
            continue
        below = next((found[path] for path in above(point) if path in found), None)
        item = LeftOut(point, fstype, not remote(fstype) and fstype != "autofs")
        if remote(fstype) or fstype in PSEUDO:
            if below is None or not item.expected:
                found[point] = item
        elif below is not None:
            # A pattern's length limits their number, but a machine has only a few.
            room -= sum(len(literal(path)) + 10 for path in [point, *above(point)])
            found[point] = None if room > 0 else item
    return Mounts(
        tuple(item for item in found.values() if item is not None),
        tuple(point for point, item in found.items() if item is None),
    )


def remote(fstype: str) -> bool:
    return fstype in REMOTE or (fstype.startswith("fuse") and fstype not in LOCAL_FUSE | PSEUDO)
