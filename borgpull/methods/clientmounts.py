"""The client's mounts, from its own /proc/self/mountinfo (proc(5)): what to leave out.

borg's --one-file-system cannot do it: the whole sshfs mount is one device (facts, section 3).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# No data of the client's own: the kernel's interfaces, memory, and views of other folders.
PSEUDO = frozenset(
    """
    autofs binder binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs
    efivarfs fusectl hugetlbfs mqueue nsfs overlay proc pstore ramfs resctrl
    rpc_pipefs securityfs selinuxfs squashfs sysfs tmpfs tracefs fuse.lxcfs
    fuse.portal fuse.gvfsd-fuse
    """.split()
)
# Somebody else's data; a dead server would hang the walk. Every fuse.* but these is taken as such.
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

# Where the client shows no mountinfo (an SFTP-only account in a chroot): the usual places.
FALLBACK = ("/proc", "/sys", "/dev", "/run")


@dataclass(frozen=True)
class LeftOut:
    path: str
    fstype: str
    keep_folder: bool  # the mount point itself is archived, empty

    def pattern(self) -> str:
        """borg's pattern; anchored, because borg matches paths without their leading slash."""
        name = re.escape(self.path.strip("/"))
        return f"re:^{name}/" if self.keep_folder else f"re:^{name}(/|$)"


def parse(mountinfo: bytes) -> dict[str, str]:
    """Mount point to file system type; the topmost of several mounts on one folder."""
    mounts = {}
    for line in mountinfo.splitlines():
        head, _, tail = line.partition(b" - ")
        fields, words = head.split(), tail.split()
        if len(fields) >= 5 and words:
            point = re.sub(rb"\\([0-7]{3})", lambda m: bytes([int(m[1], 8)]), fields[4])
            mounts[point.decode(errors="surrogateescape")] = words[0].decode(errors="replace")
    return mounts


def to_leave_out(mountinfo: bytes | None, paths: Sequence[str]) -> list[LeftOut]:
    """Mounts that a backup of `paths` leaves out.

    A mount that was named itself, or that a named path lies in, was asked for and stays.
    """
    if mountinfo is None:
        return [LeftOut(path, "unknown", True) for path in FALLBACK if path not in paths]
    found: list[LeftOut] = []
    for point, fstype in sorted(parse(mountinfo).items()):
        remote = fstype in REMOTE or (
            fstype.startswith("fuse") and fstype not in LOCAL_FUSE | PSEUDO
        )
        if point == "/" or not (remote or fstype in PSEUDO):
            continue
        if not any(_inside(point, path) and point != path for path in paths):
            continue
        if not any(_inside(point, item.path) and item.keep_folder for item in found):
            found.append(LeftOut(point, fstype, not remote and fstype != "autofs"))
    return found


def _inside(path: str, folder: str) -> bool:
    return folder == "/" or path == folder or path.startswith(folder + "/")
