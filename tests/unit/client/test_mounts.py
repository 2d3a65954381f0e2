"""Which mounts of a client are left out, from its mountinfo, and which disks below them are not."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from borgpull.client.mounts import LeftOut, Mounts, of_client, parse

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
    return {item.path: item.fstype for item in of_client(MOUNTINFO, paths).left_out}


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


def matcher(mounts: Mounts) -> re.Pattern[str]:
    (pattern,) = mounts.patterns()
    return re.compile(pattern.removeprefix("re:"))


def test_patterns() -> None:
    """One for all of them, as each costs time for each file."""
    found = matcher(of_client(MOUNTINFO, ["/"]))
    assert not found.search("proc"), "the mount point itself is saved, empty"
    assert found.search("proc/1")
    assert not found.search("srv/proc/1")
    # A dead server would hang on a stat of the mount point itself.
    assert found.search("home/nas share")
    assert not found.search("home/nas shared")
    assert not found.search("home/nas share\n"), "another folder"
    assert Mounts().patterns() == []


def test_a_pattern_is_text_whatever_the_mount_s_name_is() -> None:
    """borg takes UTF-8 only; a mount with another name made every backup of its machine fail."""
    found = matcher(of_client(b"1 1 0:1 / /mnt/caf\xe9 rw - nfs4 nas:/x rw\n", ["/"]))
    found.pattern.encode()
    assert found.search("mnt/caf\udce9/file")
    assert not found.search("mnt/cafe/file")
    assert not found.search("mnt/caf\udce8/file"), "byte by byte"


def test_patterns_fit_on_a_command_line() -> None:
    many = tuple(LeftOut(f"/mnt/{number:04}{'x' * 200}", "nfs4", False) for number in range(1000))
    found = Mounts(many).patterns()
    assert 1 < len(found) < 10 and max(map(len, found)) < 100_000
    assert any(re.search(text.removeprefix("re:"), f"{many[-1].path[1:]}/x") for text in found)


def test_more_disks_than_a_pattern_holds_are_left_out_and_told() -> None:
    lines = [b"1 0 0:1 / / rw - ext4 a rw", b"2 1 0:2 / /run rw - tmpfs b rw"]
    lines += [b"%d 2 0:3 / /run/%0200d rw - ext4 c rw" % (n, n) for n in range(3, 1003)]
    found = of_client(b"\n".join(lines), ["/"])
    assert len(found.disks) > 100 and max(map(len, found.patterns())) < 100_000
    told = {item["path"] for item in found.facts() if item.get("asked") is False}
    assert len(told) == 1000 - len(found.disks)


def test_what_may_hold_data_is_told() -> None:
    text = (
        MOUNTINFO
        + b"""34 22 0:70 / /etc rw - overlay overlay rw
36 34 0:71 / /etc/pve rw - fuse /dev/fuse rw
37 27 0:72 / /run/share rw - nfs4 nas:/x rw
38 27 0:73 / /run/user/1000 rw - tmpfs tmpfs rw
"""
    )
    found = of_client(text, ["/"])
    asked = {item["path"] for item in found.facts() if "asked" in item}
    shares = {"/run/share", "/home/nas share", "/mnt/s3"}
    assert asked == {"/etc", "/etc/pve", "/misc", *shares}
    assert "/run/user/1000" not in found.points(), "goes without saying"


@pytest.mark.parametrize(
    ("fstype", "point", "told"),
    [
        ("tmpfs", "/srv/ram", True),
        ("ramfs", "/var/tmpx", True),
        ("autofs", "/home", True),
        ("tmpfs", "/run/user/1000", False),
        ("ramfs", "/run", False),
        ("tmpfs", "/tmp", False),
        ("tmpfs", "/var/tmp/x", False),
        ("tmpfs", "/dev/shm", False),
        ("tmpfs", "/sys/fs/cgroup", False),  # cgroup v1
        ("autofs", "/proc/sys/fs/binfmt_misc", False),
        ("proc", "/srv/jail/proc", False),
        ("unknown", "/dev", True),
    ],
)
def test_memory_goes_without_saying_only_where_systems_have_it(
    fstype: str, point: str, told: bool
) -> None:
    assert ("asked" in LeftOut(point, fstype, True).fact()) == told


DISKS = (
    MOUNTINFO
    + b"""40 27 8:33 / /run/media/user/USB\\040disk rw - ext4 /dev/sdc1 rw
41 40 0:80 / /run/media/user/USB\\040disk/tmp rw - tmpfs tmpfs rw
42 41 8:34 / /run/media/user/USB\\040disk/tmp/deep rw - xfs /dev/sdc2 rw
43 29 8:35 / /home/nas\\040share/local rw - btrfs /dev/sdd rw
44 33 8:36 / /misc/stick rw - vfat /dev/sde rw
"""
)


def test_disks_below_what_is_left_out_are_saved_with_the_folders_between() -> None:
    found = of_client(DISKS, ["/"])
    usb = "/run/media/user/USB disk"
    assert found.disks == ("/home/nas share/local", "/misc/stick", usb, f"{usb}/tmp/deep")
    assert set(found.points()) == {*left_out("/"), f"{usb}/tmp"}
    assert found.starts(["/"])[1:] == list(found.disks)
    out = matcher(found)
    for kept in (usb, f"{usb}/f", f"{usb}/tmp", f"{usb}/tmp/deep/f", "/home/nas share/local/f"):
        assert not out.search(kept[1:]), kept
    for between in ("run", "run/media", "run/media/user", "home/nas share", "misc", "misc/stick/f"):
        assert not out.search(between), between
    for other in ("run/lock", "run/media/x", "run/media/user/other", f"{usb[1:]}x", "misc/f"):
        assert out.search(other), other
    assert out.search(f"{usb[1:]}/tmp/f") and out.search("home/nas share/f")
    # Of a path that was named only what is below it counts.
    assert of_client(DISKS, ["/run"]).disks == (f"{usb}/tmp/deep",)
    assert of_client(DISKS, ["/etc"]) == Mounts()


NAMES = st.sampled_from(["a", "a\n", "a.(", " \udce9é\\"])
POINTS = st.lists(NAMES, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
KINDS = {"tmpfs": False, "nfs4": False, "autofs": False, "overlay": False, "ext4": True}


def written(point: str) -> bytes:
    """As mountinfo has it (proc_pid_mountinfo(5))."""
    name = point.encode(errors="surrogateescape")
    return re.sub(rb"[ \n\\]", lambda found: b"\\%03o" % found[0][0], name)


def inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.dictionaries(POINTS, st.sampled_from(sorted(KINDS)), max_size=8), st.lists(POINTS))
def test_what_is_left_out_is_decided_by_the_nearest_mount(
    kinds: dict[str, str], others: list[str]
) -> None:
    """The rule, without a pattern: a path belongs to the nearest mount above it, and a folder that
    leads to what is saved is saved as well.
    """
    info = b"".join(
        b"1 0 0:1 / %s rw - %s x rw\n" % (written(point), kind.encode())
        for point, kind in kinds.items()
    )
    found = of_client(info, ["/"])
    out = [re.compile(text.removeprefix("re:")) for text in found.patterns()]

    def saved(path: str) -> bool:
        above = [point for point in kinds if inside(path, point)]
        return not above or KINDS[kinds[max(above, key=len)]]

    folders = {str(folder) for point in kinds for folder in PurePosixPath(point).parents} - {"/"}
    for path in {*others, *kinds, *folders, *(f"{point}/a" for point in kinds)}:
        excluded = any(each.search(path[1:]) for each in out)
        leads = any(inside(disk, path) for disk in found.disks)
        if path in kinds and not KINDS[kinds[path]] and not leads:
            continue  # the mount point itself: a folder without what is in it, or nothing
        assert excluded == (not saved(path) and not leads), path
    # What `find` sees: from each start down to the points.
    for path in others:
        starts = [start for start in ("", *found.disks) if inside(path, start)]
        points = [point for point in found.points() if inside(path, point)]
        walked = any(not any(inside(point, start) for point in points) for start in starts)
        assert walked == saved(path), path


def test_a_path_in_a_mount_keeps_the_mount() -> None:
    assert "/run" not in left_out("/", "/run/foo")
    assert left_out("/srv", "/home/nas share") == {}
    assert of_client(None, ["/", "/run/foo"]).points() == ["/proc", "/sys", "/dev"]


def test_a_client_that_shows_no_mounts() -> None:
    found = of_client(None, ["/"])
    assert found.points() == ["/proc", "/sys", "/dev", "/run"]
    assert all(item["asked"] is False for item in found.facts()), "they may be anything"
    assert of_client(None, ["/"], ["/proc", "/run"]).points() == ["/sys", "/dev"]
    assert of_client(None, ["/etc", "/srv"]) == Mounts(), "nothing that was asked for"


def test_the_topmost_of_several_mounts_and_odd_lines_count() -> None:
    text = b"1 1 0:1 / /a rw - proc p rw\n2 1 0:2 / /a rw - ext4 d rw\nnonsense\n\xff - x\n"
    assert parse(text) == {"/a": "ext4"}


def test_a_mount_that_another_one_hides_leaves_nothing_out() -> None:
    """/data/tmp was mounted before the disk on /data: the disk's own /data/tmp is what one sees."""
    text = b"""1 0 0:1 / / rw - ext4 a rw
2 1 0:2 / /data/tmp rw - tmpfs b rw
3 1 0:3 / /data rw - ext4 c rw
4 1 0:4 / /mnt rw - ext4 d rw
5 4 0:5 / /mnt/x rw - ext4 e rw
6 5 0:6 / /mnt/x rw - tmpfs f rw
7 5 0:7 / /mnt/x/y rw - ext4 g rw
"""
    assert parse(text) == {"/": "ext4", "/data": "ext4", "/mnt": "ext4", "/mnt/x": "tmpfs"}
    assert of_client(text, ["/"]).points() == ["/mnt/x"]
