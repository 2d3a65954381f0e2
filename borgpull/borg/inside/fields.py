"""The fields of an archive's items, as `borg create` on the client would have filled them in.

(borg 1.4.5: archive.py, MetadataCollector; platform/linux.pyx, acl_get; xattr.py, get_all)
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Sequence
from typing import Any

from borgpull.borg.inside.extras import NO_EXTRA, Extra
from borgpull.borg.inside.wire import Stat, require

# Entries of an ACL in the kernel's format: tag, permissions, number (linux/posix_acl_xattr.h).
_ACL_ENTRY = struct.Struct("<HHI")
_VERSION = b"\x02\0\0\0"
USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER = 1, 2, 4, 8, 16, 32
_PLAIN = {USER_OBJ: "user::", GROUP_OBJ: "group::", MASK: "mask::", OTHER: "other::"}
# An ACL with these three alone says no more than the mode.
_MINIMAL = 4 + 3 * _ACL_ENTRY.size
_DEVICES = (stat.S_IFBLK, stat.S_IFCHR)


def stored(text: str) -> bytes:
    """A path or name as borg stores it."""
    return text.encode(errors="surrogateescape")


class Fields:
    """Makes items. It learns the names of users and groups from the client."""

    def __init__(self) -> None:
        from borg.helpers import safe_ns  # type: ignore[import-not-found]
        from borg.helpers.msgpack import mp_Packer  # type: ignore[import-not-found]
        from borg.platform.linux import BSD_TO_LINUX_FLAGS  # type: ignore[import-not-found]

        self._safe_ns, self._flags = safe_ns, BSD_TO_LINUX_FLAGS
        self.ctimes = True  # are there any?
        self.by_name = True  # are the names of owners saved?
        self.names: tuple[dict[int, str | None], dict[int, str | None]] = ({}, {})
        self._stored: tuple[dict[int, bytes], dict[int, bytes]] = ({}, {})
        self._pack = mp_Packer(use_bin_type=False).pack  # as borg's own packer
        self._packed: dict[tuple[int, int, int], tuple[bytes, bytes, bytes]] = {}

    def learn(self, group: int, number: int, name: str | None) -> None:
        """Take over the name of a user (0) or group (1)."""
        self.names[group][number] = name
        self._stored[group].pop(number, None)
        self._packed.clear()
        if name is not None:
            self._stored[group][number] = stored(name)

    def told(self, before: Sequence[dict[int, str | None]]) -> list[list[list[Any]]]:
        """The names of users and of groups: lists of pairs of number and name.

        Those from `before` are among them: items with them may have been copied.
        """
        pairs = ({**old, **names} for old, names in zip(before, self.names, strict=True))
        return [[[*pair] for pair in sorted(names.items())] for names in pairs]

    def item(
        self,
        path: str,
        st: Stat,
        extra: Extra,
        *,
        chunks: list[Any] | None = None,
        leads: bool | None = None,
        source: str | None = None,
    ) -> dict[str, Any]:
        """What borg stores of an item: the values of `Item.as_dict`, in the order of its packer.

        `leads`: may further names refer to it?
        """
        mode, uid, gid, _, _, _, _, mtime, ctime, rdev = st
        made = self._extras(st, extra) if extra is not NO_EXTRA else {}
        if chunks is not None:
            made["chunks"] = chunks
        if self.ctimes:
            made["ctime"] = self._safe_ns(ctime)
        made["gid"] = gid
        made["group"] = self._stored[1].get(gid)
        if leads is not None:
            made["hardlink_master"] = leads
        made["mode"] = mode
        made["mtime"] = self._safe_ns(mtime)
        made["path"] = stored(path)
        if stat.S_IFMT(mode) in _DEVICES:
            made["rdev"] = rdev
        if chunks is not None:
            made["size"] = sum([chunk.size for chunk in chunks])
        if source is not None:
            made["source"] = stored(source)
        made["uid"] = uid
        made["user"] = self._stored[0].get(uid)
        if extra.xattrs:
            pairs = sorted(extra.xattrs.items())
            made["xattrs"] = {key: value or None for key, value in pairs}
        return made

    def plain(self, mode: int, uid: int, gid: int) -> tuple[bytes, bytes, bytes]:
        """What `item` has, packed, of a file without attributes and with one name, whose times borg
        can store: what is before the chunks, between ctime and mtime, and after the size.
        """
        found = self._packed.get((mode, uid, gid))
        if found is None:
            users, groups = self._stored
            middle = {"gid": gid, "group": groups.get(gid), "hardlink_master": False, "mode": mode}
            end = {"uid": uid, "user": users.get(uid)}
            middle_text, end_text = (self._pack(part)[1:] for part in (middle, end))
            found = (b"\x8b\xa6chunks", middle_text + b"\xa5mtime", end_text)
            self._packed[mode, uid, gid] = found
        return found

    def _extras(self, st: Stat, extra: Extra) -> dict[str, Any]:
        """ACLs and flags."""
        made: dict[str, Any] = {}
        if not stat.S_ISLNK(st.st_mode) and (len(extra.access) > _MINIMAL or extra.default):
            made["acl_access"] = self.acl_text(extra.access or _of_mode(st.st_mode))
            if stat.S_ISDIR(st.st_mode):
                made["acl_default"] = self.acl_text(extra.default)
        if extra.flags:
            found = sum(bsd for bsd, linux in self._flags.items() if extra.flags & linux)
            if found:
                made["bsdflags"] = found
        return made

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
