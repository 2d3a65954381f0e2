"""The listing of a client, as a reader sends it, for a manifest that is made beside a backup."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Any

from borgpull.borg.inside import wire
from borgpull.borg.inside.channel import Channel
from borgpull.borg.inside.earlier import Earlier
from borgpull.borg.inside.extras import NO_EXTRA, Extra, extra
from borgpull.borg.inside.manifest import Manifest
from borgpull.borg.inside.matcher import wanted
from borgpull.borg.inside.places import Places
from borgpull.borg.inside.sample import Sample
from borgpull.borg.inside.seen import CAME, FAILED, RECENT, Seen, hashed
from borgpull.borg.inside.wire import BadFrame, Row, Stat

DONE_EVERY = 1024  # entries
MAX_LISTING = 4 << 30  # bytes of a listing, as it is kept
SECOND = 10**9
_KIND = stat.S_IFMT(0o177777)
# Beside regular files, what may have further names.
_SPECIAL = (stat.S_IFIFO, stat.S_IFBLK, stat.S_IFCHR)


class Listing:
    """Takes the listing of a client."""

    def __init__(self, channel: Channel, manifest: Manifest, orders: dict[str, Any]) -> None:
        from borg.helpers import safe_ns  # type: ignore[import-not-found]

        self._channel, self._manifest = channel, manifest
        self._places = Places(orders["roots"], wanted(orders["exclude"]))
        self._since = int(orders["since"] * SECOND)
        self._allowed = [path.strip("/") for path in orders["allowed"]]
        sees = {*orders["manifest"]["carried"]} & {*orders["manifest"]["kept"]}
        self.ctimes, self._ns, self._links = (word in sees for word in ("ctimes", "ns", "links"))
        self.stored: Callable[[int], int] = safe_ns
        sample = orders["sample"]
        self.earlier = Earlier(orders["earlier"], sample["largest"] if sample else 0)
        bytes_ = (self.earlier.bytes, self.earlier.bare)
        self.sample = Sample(channel, sample, *bytes_) if sample else None
        self.seen = Seen()
        self.groups: dict[tuple[int, int], list[tuple[int, str]]] = {}  # of hard links
        self._moved: list[bool] = []  # of the open folders: was it moved in this run?
        self._count = self._done = self._size = 0

    def run(self) -> None:
        """Take all that comes, to the reader's last word. Raises BadFrame, Ended, OSError."""
        total: int | None = None
        while total is None or self.sample:
            kind, content = self._channel.frame()
            if kind in (wire.LIST, wire.NAME):
                self._keep(kind, content)
            elif kind == wire.LISTED:
                total = wire.listed(content)
                if total != self._count:
                    raise BadFrame(f"{self._count} entries, and {total} by the reader's count")
            elif kind == wire.TROUBLE:
                wire.trouble(content)  # borg has said so itself
            elif self.sample is not None:
                self.sample.take(kind, content)
            else:
                raise BadFrame(f"a frame of kind {kind} out of turn")
            if kind not in (wire.BEGIN, wire.SUM):  # the end of that answer is on its way
                self._ask()
        self._channel.ask(wire.FINISH)
        self._channel.push()
        kind, content = self._channel.frame()
        answers = self.sample.answers if self.sample is not None else 0
        if kind != wire.BYE or wire.bye(content) != (self._count, answers):
            raise BadFrame("the last word is missing, or its counts are wrong")

    def _keep(self, kind: int, content: bytes) -> None:
        self._size += len(content)
        if self._size > MAX_LISTING:
            raise BadFrame("a listing without end")
        self._manifest.frame(kind, content)
        if kind == wire.LIST:
            for row in wire.rows(content):
                self._row(row)
        else:
            wire.name(content)

    def _ask(self) -> None:
        first = None
        if self.sample is not None:
            self.sample.send()
            first = self.sample.open_from
        done = self._count if first is None else first
        # The reader may wait for our word, if few entries have many bytes.
        if done - self._done >= (DONE_EVERY if self._channel.has_frame() else 1):
            self._done = done
            self._channel.ask(wire.DONE, done)
        self._channel.push()

    def _row(self, row: Row) -> None:
        depth, name, st, text = row
        number, self._count = self._count, self._count + 1
        path = self._places.path(depth, name)
        saved = path is not None and self._places.saves(path)
        since, mtime, ctime = self._since, st.st_mtime_ns, st.st_ctime_ns
        moved = depth > 0 and self._moved[depth - 1]
        if st.st_mode & _KIND == stat.S_IFDIR:
            del self._moved[depth:]
            self._moved.append(moved or ctime >= since > mtime)
            if not self._places.enter(path) and path is not None:
                self._channel.ask(wire.PRUNE, number)
        if path is None or not saved:
            return
        more = extra(text) if text else NO_EXTRA
        flags = FAILED if more.failed else 0
        if moved or ctime >= since or (self._allowed and self._may_be_lost(path)):
            flags |= CAME
        if ctime >= since or mtime >= since:  # or moved to this place
            flags |= RECENT
        facts = self.facts(st.st_mode, st.st_uid, st.st_gid, st.st_size, mtime, more.target)
        self.seen.add(number, path, facts, self.stored(ctime), flags)
        self._content(number, path, st, more)

    def _content(self, number: int, path: str, st: Stat, more: Extra) -> None:
        """Is it one of several names, and is its content to be hashed?"""
        kind, first = st.st_mode & _KIND, True
        if st.st_nlink > 1 and self._links and (kind == stat.S_IFREG or kind in _SPECIAL):
            group = self.groups.setdefault((st.st_dev, st.st_ino), [])
            first = not group
            group.append((number, path))
        if kind == stat.S_IFREG and first and not more.closed:
            known = self.earlier.see(number, path, st)
            if self.sample is not None:
                self.sample.see(number, os.fsencode(path), st, known)

    def _may_be_lost(self, path: str) -> bool:
        return any(path == one or path.startswith(f"{one}/") for one in self._allowed)

    def facts(self, mode: int, uid: int, gid: int, size: int, mtime: int, target: bytes) -> int:
        """What must be the same in the listing and in the archive."""
        kind = mode & _KIND
        when = self.stored(mtime)
        own = size if kind == stat.S_IFREG else target if kind == stat.S_IFLNK else 0
        return hashed(mode, uid, gid, own, when if self._ns else when // SECOND)
