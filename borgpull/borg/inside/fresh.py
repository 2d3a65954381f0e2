"""Small files that nothing is known of: nearly all of a first run.

As in `usual.py`, what the engine does of them in many steps is here in two loops, for speed. A file
whose answer is not just as expected is left to the engine.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Sequence
from typing import Any

from borgpull.borg.inside.ahead import Hashed
from borgpull.borg.inside.content import Chunks
from borgpull.borg.inside.extras import NO_EXTRA
from borgpull.borg.inside.fields import Fields, stored
from borgpull.borg.inside.filescache import NO_IDS, ONE_ID, SEEN, Files
from borgpull.borg.inside.known import Known
from borgpull.borg.inside.manifest import Manifest, packed
from borgpull.borg.inside.newblocks import Writer
from borgpull.borg.inside.places import Places
from borgpull.borg.inside.reads import Reads
from borgpull.borg.inside.slots import ASKED, Slot
from borgpull.borg.inside.unseen import Unseen
from borgpull.borg.inside.usual import CTIME, PATH, SIZE
from borgpull.borg.inside.wire import ENTRY_STAT, MAX_NAME, MAX_PATH, SMALL, WHOLE, Stat

# A file, its content, and its hashes if they were computed.
Come = tuple[Slot, bytes, Hashed | None]

_tuple: Any = tuple.__new__
_REGULAR = stat.S_IFREG >> 12
_STAT = 8  # where the stat(2) of an entry begins
# A frame's head, and the beginning of an answer without an error.
_ANSWER = struct.Struct("<BIIBi")
# What is between an answer's stat(2) and its end, and the beginning of an end without an error.
_BETWEEN = bytes(4 + 5)
_AROUND = 9 + 64 + len(_BETWEEN) + 16  # bytes of a small file's frame beside its content


def as_listed(number: int, listed: bytes, size: int) -> bytes:
    """What is before the content in the frame of a small file that is as it was listed.

    `listed` is its stat(2) as in the listing. It has no attributes, and ends with ctime and size.
    """
    head = _ANSWER.pack(WHOLE, _AROUND + size, number, 0, 0)
    return b"".join((head, listed, _BETWEEN, listed[48:56], listed[32:40]))


class Fresh:
    """Takes files that the engine need not look at. To be used with ctimes, and a usual cache."""

    def __init__(
        self,
        archive: Any,
        chunks: Chunks,
        files: Files,
        fields: Fields,
        manifest: Manifest | None,
        reads: Reads,
        known: Known | None,
        writer: Writer | None,
        unseen: Unseen,
    ) -> None:
        from borg.helpers.time import MAX_NS  # type: ignore[import-not-found]

        # The latest time that borg stores, and the last ctime of a file that cannot change unseen.
        self._latest, self._quiet = MAX_NS, unseen.quiet(MAX_NS)
        self._stats, self._id_hash = archive.stats, chunks.id_hash
        self._chunks, self._files = chunks, files
        self._fields, self._manifest, self._reads = fields, manifest, reads
        self._known, self._writer = known, writer

    def look(self, text: bytes, at: int, number: int, places: Places) -> tuple[list[Slot], int]:
        """The files from here to the first one that the engine must look at: where that begins.

        All have one name, and no attributes. `number` is of the first entry.
        """
        slots: list[Slot] = []
        below, before, before_text = -1, b"", ""
        whole, size_of, unpack_at = len(text), ENTRY_STAT.size, ENTRY_STAT.unpack_from
        files, id_hash, known = self._files.entries, self._id_hash, self._known
        latest, quiet = self._latest, self._quiet
        while at + size_of <= whole:
            depth, length, more, *fields = unpack_at(text, at)
            mode, _, _, links, _, inode, size, mtime, ctime, _ = fields
            begin = at + size_of
            end = begin + length
            if more or mode >> 12 != _REGULAR or links != 1 or end > whole or size > SMALL:
                break
            if depth != below:
                found = places.before(depth)
                if found is None:
                    break
                below, before_text, before = depth, found, stored(f"/{found}")
            name = text[begin:end]
            if not 0 < length <= MAX_NAME or b"/" in name or b"\0" in name or name in (b".", b".."):
                break
            path = before + name
            key = id_hash(path)
            if key in files or not 0 <= mtime <= latest or not 0 <= ctime <= quiet:
                break
            if len(path) > MAX_PATH or not (known is None or known.nothing(key, inode, size)):
                break
            shown = before_text + name.decode(errors="surrogateescape")
            if places.chooses and not places.saves(shown):
                break
            slot = Slot(number, shown, _tuple(Stat, fields), NO_EXTRA, ASKED)
            slot.hash, slot.status = key, "A"
            slot.answer = as_listed(number, text[at + _STAT : begin], size)
            slots.append(slot)
            number += 1
            at = end
        return slots, at

    def save(self, come: Sequence[Come]) -> None:
        """Add the items of files that have come as they were listed. There is at least one."""
        pack, plain = self._chunks.pack, self._fields.plain
        stored_as = self._chunks.many([(data, hashed) for _, data, hashed in come])
        entries: dict[bytes, bytes] = {}
        told: list[tuple[int, bytes, bytes, int, bytes]] = []
        items: list[bytes] = []
        flags: list[int] = []
        sums: list[bytes] = []
        for (slot, data, _), (chunks, found) in zip(come, stored_as, strict=True):
            st = slot.st
            slot.sum = found
            size, time = pack(len(data)), pack(st.st_ctime_ns)
            ids = ONE_ID + chunks[0][0] if chunks else NO_IDS
            entries[slot.hash] = b"".join((SEEN, pack(st.st_ino), size, time, ids))
            begin, middle, end = plain(st.st_mode, st.st_uid, st.st_gid)
            item = b"".join(
                (
                    *(begin, pack(chunks), CTIME, time, middle, pack(st.st_mtime_ns)),
                    *(PATH, pack(stored(slot.path)), SIZE, size, end),
                )
            )
            items.append(item)
            sums.append(found)
            flags.append(packed(chunks))
            if chunks:
                told.append((slot.number, slot.hash, found, chunks[0][2], item))
        slots = [slot for slot, _, _ in come]
        self._memorize(slots, entries)
        if self._writer is not None and told:
            self._writer.several(told)
        self._reads.see_all(slots, flags)
        if self._manifest is not None:
            self._manifest.fresh([slot.number for slot in slots], flags, sums)
        self._stats.nfiles += len(come)
        self._chunks.write(b"".join(items))

    def _memorize(self, slots: Sequence[Slot], entries: dict[bytes, bytes]) -> None:
        """Note them in the files cache. Only the newest ones may be forgotten at the end."""
        latest = max([slot.st.st_ctime_ns for slot in slots])
        self._files.note_all(entries, latest)
        known = self._known
        if known is not None and latest >= known.time:
            for slot in slots:
                if slot.st.st_ctime_ns == latest:
                    known.memorized(slot)
