"""Which mounts of a client are left out, from its mountinfo."""

from __future__ import annotations

import re

from borgpull.methods.clientmounts import parse, to_leave_out

MOUNTINFO = rb"""22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw
23 22 0:21 / /proc rw,nosuid - proc proc rw
24 22 0:22 / /sys rw - sysfs sysfs rw
25 24 0:7 / /sys/kernel/debug rw - debugfs debugfs rw
26 22 0:5 / /dev rw - devtmpfs udev rw
27 22 0:24 / /run rw - tmpfs tmpfs rw
28 22 259:3 / /home rw - xfs /dev/nvme0n1p3 rw
29 28 0:50 / /home/nas\040share rw - nfs4 nas:/share rw
30 22 0:51 / /mnt/s3 rw - fuse.s3fs s3fs rw
31 22 8:17 / /mnt/usb rw - fuseblk /dev/sdb1 rw
32 22 0:60 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw
33 22 0:61 / /misc rw - autofs systemd-1 rw
"""


def left_out(*paths: str) -> dict[str, str]:
    return {item.path: item.fstype for item in to_leave_out(MOUNTINFO, paths)}


def test_what_a_whole_system_leaves_out() -> None:
    assert left_out("/") == {
        "/proc": "proc",
        "/sys": "sysfs",
        "/dev": "devtmpfs",
        "/run": "tmpfs",
        "/home/nas share": "nfs4",
        "/mnt/s3": "fuse.s3fs",
        "/var/lib/docker/overlay2/x/merged": "overlay",
        "/misc": "autofs",
    }


def test_what_was_named_stays() -> None:
    assert left_out("/home/nas share") == {}
    assert "/mnt/s3" not in left_out("/mnt/s3/backup", "/etc")
    assert left_out("/home") == {"/home/nas share": "nfs4"}


def test_patterns() -> None:
    found = {
        item.path: item.pattern().removeprefix("re:") for item in to_leave_out(MOUNTINFO, ["/"])
    }
    assert not re.search(found["/proc"], "proc"), "the mount point itself is saved, empty"
    assert re.search(found["/proc"], "proc/1")
    assert not re.search(found["/proc"], "srv/proc/1")
    # A dead server would hang on a stat of the mount point itself.
    assert re.search(found["/home/nas share"], "home/nas share")
    assert not re.search(found["/home/nas share"], "home/nas shared")


def test_a_client_that_shows_no_mounts() -> None:
    assert [item.path for item in to_leave_out(None, ["/"])] == ["/proc", "/sys", "/dev", "/run"]


def test_the_topmost_of_several_mounts_and_odd_lines_count() -> None:
    text = b"1 1 0:1 / /a rw - proc p rw\n2 1 0:2 / /a rw - ext4 d rw\nnonsense\n\xff - x\n"
    assert parse(text) == {"/a": "ext4"}
