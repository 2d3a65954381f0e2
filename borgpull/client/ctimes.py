"""File systems on which a file gets a new ctime whenever its extended attributes change."""

from __future__ import annotations

import re
from itertools import islice

from borgpull.client.mounts import lines

# Always (fs/ext4/xattr.c, fs/xfs/libxfs/xfs_attr.c), or since a version of Linux (mm/shmem.c,
# shmem_xattr_handler_set).
SINCE = {"ext2": (0, 0), "ext3": (0, 0), "ext4": (0, 0), "xfs": (0, 0), "tmpfs": (6, 1)}
_RELEASE, _DEVICE = re.compile(r"(\d{1,4})\.(\d{1,4})\b"), re.compile(r"\d{1,4}:\d{1,7}")
MOST = 1000  # devices: a node of Kubernetes has many of type tmpfs


def devices(mountinfo: bytes, release: str) -> dict[str, str]:
    """What such file systems are, with their options, by device as `major:minor` (proc(5)).

    `release` is that of the client's kernel.
    """
    found = {}
    number = _RELEASE.match(release)
    version = (int(number[1]), int(number[2])) if number else (0, 0)
    for line in lines(mountinfo):
        device, kind = line.device.decode(errors="replace"), line.fstype
        if kind in SINCE and version >= SINCE[kind] and _DEVICE.fullmatch(device):
            found[device] = f"{kind} {line.options}"[:500]
    return dict(islice(found.items(), MOST))
