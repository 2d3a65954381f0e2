"""Named paths that a bind mount shows again below another one."""

from __future__ import annotations

import pytest

from borgpull.errors import NotSaved
from borgpull.methods.binds import ordered

# A volume at two places, a bind of a folder, one of the root's own folders, a share of two exports.
MOUNTINFO = b"""1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 8:2 /vol /home rw - ext4 /dev/sdb rw
3 1 8:2 /vol /data/home rw - ext4 /dev/sdb rw
4 1 8:1 /srv/www /var/www rw - ext4 /dev/sda1 rw
5 1 0:50 / /mnt/a rw - nfs4 nas:/a rw
6 1 0:50 / /mnt/b rw - nfs4 nas:/b rw
7 1 0:60 / /x rw - tmpfs ram rw
8 1 8:2 /other/deep /y rw - ext4 /dev/sdb rw
9 8 8:3 / /y/u rw - ext4 /dev/sdc rw
10 1 8:3 /in /z rw - ext4 /dev/sdc rw
11 10 8:2 /other /z/v rw - ext4 /dev/sdb rw
"""


@pytest.mark.parametrize(
    ("roots", "expected"),
    [
        (["/home", "/data"], ["/data", "/home"]),
        (["/data", "/home"], ["/data", "/home"]),
        (["/home/u", "/etc", "/data"], ["/etc", "/data", "/home/u"]),
        (["/var/www", "/srv"], ["/srv", "/var/www"]),
        (["/srv/www/site", "/var"], ["/var", "/srv/www/site"]),
        # The same folder: borg saves the first, and the run tells of the other.
        (["/home", "/data/home"], ["/home", "/data/home"]),
        (["/b", "/a", "/mnt/b", "/mnt/a"], ["/b", "/a", "/mnt/b", "/mnt/a"]),
        (["/home2", "/data"], ["/home2", "/data"]),
        (["/"], ["/"]),
    ],
)
def test_what_another_path_shows_comes_after_it(roots: list[str], expected: list[str]) -> None:
    assert ordered(MOUNTINFO, roots) == expected
    assert ordered(b"", roots) == roots, "a client that shows no mounts"


def test_two_that_lie_in_each_other_cannot_be_saved() -> None:
    with pytest.raises(NotSaved, match="/y, /z"):
        ordered(MOUNTINFO, ["/etc", "/y", "/z"])
