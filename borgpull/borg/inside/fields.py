"""The fields of an archive's items, as `borg create` on the client would have filled them in.

(borg 1.4.5: archive.py, MetadataCollector; platform/linux.pyx, acl_get; xattr.py, get_all)
"""

from __future__ import annotations

import stat
import struct
from typing import Any

from borgpull.borg.inside.extras import Extra
from borgpull.borg.inside.wire import Stat, require

# Entries of an ACL in the kernel's format: tag, permissions, number (linux/posix_acl_xattr.h).
_ACL_ENTRY = struct.Struct("<HHI")
_VERSION = b"\x02\0\0\0"
USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER = 1, 2, 4, 8, 16, 32
_PLAIN = {USER_OBJ: "user::", GROUP_OBJ: "group::", MASK: "mask::", OTHER: "other::"}
# An ACL with these three alone says no more than the mode.
_MINIMAL = 4 + 3 * _ACL_ENTRY.size


class Fields:
    """Makes items. It learns the names of users and groups from the client."""

    def __init__(self) -> None:
        from borg.helpers import StableDict, safe_ns  # type: ignore[import-not-found]
        from borg.item import Item  # type: ignore[import-not-found]
        from borg.platform.linux import BSD_TO_LINUX_FLAGS  # type: ignore[import-not-found]

        self._item, self._safe_ns, self._stable = Item, safe_ns, StableDict
        self._flags = BSD_TO_LINUX_FLAGS
        self.ctimes = True  # are there any?
        self.names: tuple[dict[int, str | None], dict[int, str | None]] = ({}, {})

    def item(self, path: str, st: Stat, extra: Extra) -> Any:
        """An item without content."""
        made = self._item(path=path)
        users, groups = self.names
        made.update(
            {
                "mode": st.st_mode,
                "uid": st.st_uid,
                "gid": st.st_gid,
                "mtime": self._safe_ns(st.st_mtime_ns),
                **({"ctime": self._safe_ns(st.st_ctime_ns)} if self.ctimes else {}),
                "user": users.get(st.st_uid),
                "group": groups.get(st.st_gid),
            }
        )
        if extra.flags:
            found = sum(bsd for bsd, linux in self._flags.items() if extra.flags & linux)
            if found:
                made.bsdflags = found
        if extra.xattrs:
            pairs = {key: value or None for key, value in extra.xattrs.items()}
            made.xattrs = self._stable(pairs)
        if not stat.S_ISLNK(st.st_mode):
            self._acls(made, st, extra)
        return made

    def _acls(self, made: Any, st: Stat, extra: Extra) -> None:
        if len(extra.access) <= _MINIMAL and not extra.default:
            return
        made.acl_access = self.acl_text(extra.access or _of_mode(st.st_mode))
        if stat.S_ISDIR(st.st_mode):
            made.acl_default = self.acl_text(extra.default)

    def acl_text(self, value: bytes) -> bytes:
        """An ACL as borg stores it: acl_to_text(3), with the numbers of users and groups.

        Where a mask takes permissions away, acl_to_text adds a tab and a comment. borg cuts the
        comment off, and leaves the tab.
        """
        entries = list(_ACL_ENTRY.iter_unpack(value[4:]))
        mask = next((may for tag, may, _ in entries if tag == MASK), 7)
        lines = []
        for tag, permissions, number in entries:
            may = "".join(
                x if permissions & bit else "-" for x, bit in (("r", 4), ("w", 2), ("x", 1))
            )
            if tag in (USER, GROUP, GROUP_OBJ) and permissions & ~mask & 7:
                may += "\t"
            if tag in (USER, GROUP):
                word = "user" if tag == USER else "group"
                name = self.names[tag == GROUP].get(number) or str(number)
                lines.append(f"{word}:{name}:{may}:{number}")
            else:
                require(tag in _PLAIN)
                lines.append(_PLAIN[tag] + may)
        return "\n".join(lines).encode(errors="surrogateescape")


def _of_mode(mode: int) -> bytes:
    """The ACL that says what the mode says."""
    shifts = ((USER_OBJ, 6), (GROUP_OBJ, 3), (OTHER, 0))
    rows = (_ACL_ENTRY.pack(tag, mode >> shift & 7, 0xFFFFFFFF) for tag, shift in shifts)
    return _VERSION + b"".join(rows)
