"""File systems on which attributes have a ctime."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from borgpull.borg.inside import brief
from borgpull.client import ctimes
from borgpull.client.ctimes import devices

MOUNTS = b"""\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,noacl
23 22 0:21 / /proc rw - proc proc rw
24 22 0:22 / /dev/shm rw,nosuid shared:2 master:3 - tmpfs tmpfs rw
25 22 0:23 / /nfs rw - nfs4 server:/ rw
26 22 253:5 /sub /srv/data\\040x rw - xfs /dev/mapper/a rw
27 22 0:24 / /odd rw - btrfs /dev/sdb rw
28 22 8:x / /a rw - ext4 /dev/a rw
29 22 123456:1 / /b rw - ext4 /dev/b rw
a line that nobody understands
"""


def device_of(path: Path) -> str:
    dev = path.stat().st_dev
    return f"{os.major(dev)}:{os.minor(dev)}"


def test_they_are_found_with_their_options() -> None:
    disks = {"8:1": "ext4 rw,noacl", "253:5": "xfs rw"}
    assert devices(MOUNTS, "6.1.0-18-amd64") == {**disks, "0:22": "tmpfs rw"}
    assert devices(MOUNTS, "6.18.44-fc") == devices(MOUNTS, "6.1-rc3")
    for release in ("6.0.9", "5.15+", "what?", ""):
        assert devices(MOUNTS, release) == disks


@pytest.mark.parametrize("folder", ["/dev/shm", "/var/tmp"])
def test_what_is_said_of_them_is_true_here(folder: str) -> None:
    """An attribute is set, changed and removed: each time there is a new ctime."""
    here = devices(Path("/proc/self/mountinfo").read_bytes(), os.uname().release)
    if device_of(Path(folder)) not in here:
        pytest.skip("it is another file system")
    path = Path(folder, f"borgpull-{os.getpid()}")
    path.write_bytes(b"content")
    try:
        seen = [path.stat().st_ctime_ns]
        for value in (b"one", b"two", None):
            time.sleep(0.02)  # some ticks
            if value is None:
                os.removexattr(path, b"user.key")
            else:
                os.setxattr(path, b"user.key", value)
            seen.append(path.stat().st_ctime_ns)
    finally:
        path.unlink()
    assert len({*seen}) == 4


def test_no_client_makes_a_list_without_end() -> None:
    lines = b"".join(b"1 1 0:%d / / rw - xfs a %s\n" % (at, b"o" * 9000) for at in range(1500))
    found = devices(lines, "6.1")
    assert len(found) == ctimes.MOST
    assert max(map(len, found.values())) == 500


def test_a_device_is_named_if_the_view_is_the_same() -> None:
    last = {"by": "0 all", "devices": {"8:1": "ext4 rw", "0:22": "tmpfs rw", "8:2": "xfs rw"}}
    now = {"by": "0 all", "devices": {"8:1": "ext4 rw,noacl", "0:22": "tmpfs rw", "8:3": "xfs rw"}}
    assert brief.devices(last, now) == [os.makedev(0, 22)]
    # Linux hides attributes from a process without rights.
    for other in ({**now, "by": "1000 none"}, {**now, "by": ""}, {}, None):
        assert brief.devices(last, other) == brief.devices(other, last) == []
    nobody = {**last, "by": ""}
    assert brief.devices(nobody, nobody) == []
