"""Files that are as the files cache has them: nearly all of an ordinary run.

What the engine does of them in many steps is here in two loops, for speed. Whatever is not quite
usual is left to the engine.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from typing import Any

from borgpull.borg.inside.content import Chunks
from borgpull.borg.inside.fields import Fields
from borgpull.borg.inside.filescache import SEEN, Files
from borgpull.borg.inside.manifest import HAS_SUM, Manifest
from borgpull.borg.inside.newblocks import Writer
from borgpull.borg.inside.places import Places
from borgpull.borg.inside.reads import Reads
from borgpull.borg.inside.reread import Reread
from borgpull.borg.inside.slots import Plain, Run
from borgpull.borg.inside.wire import ENTRY_STAT, MAX_NAME, MAX_PATH, MAX_SIZE, SMALL

_tuple: Any = tuple.__new__
_REGULAR = stat.S_IFREG >> 12
# Keys of an item, as borg's packer writes them.
CTIME, PATH, SIZE = b"\xa5ctime", b"\xa4path", b"\xa4size"


class Usual:
    """Takes files that the engine need not look at. To be used with ctimes, and a usual cache."""

    def __init__(
        self,
        archive: Any,
        chunks: Chunks,
        files: Files,
        fields: Fields,
        manifest: Manifest | None,
        reread: Reread | None,
        reads: Reads,
        writer: Writer | None,
    ) -> None:
        from borg.helpers.time import MAX_NS  # type: ignore[import-not-found]

        self._latest = MAX_NS  # the latest time that borg stores
        self._stats, self._id_hash = archive.stats, chunks.id_hash
        self._chunks = chunks
        self._files, self._unpack = files.entries, files.unpack
        self._fields, self._manifest, self._reads = fields, manifest, reads
        self._writer = writer
        self.brief = 0  # as in brief.py: ns
        self._sum_of: Callable[[Sequence[bytes]], bytes | None]
        self._sum_of = chunks.sums.of if manifest is not None else lambda _ids: b""
        self._due = reread.due if reread is not None else None

    def look(
        self, text: bytes, at: int, number: int, places: Places, most: int, sure: int
    ) -> tuple[Run, int]:
        """The files from here to the first one that the engine must look at: where that begins.

        All have one name, no attributes, and are unchanged; they are `most` files at most. `number`
        is of the first entry. The flags of all before `sure` are known.
        """
        run, below = Run(self.save), -1
        append, last = run.append, number + most
        whole, size_of, unpack_at = len(text), ENTRY_STAT.size, ENTRY_STAT.unpack_from
        files, unpack, id_hash, sum_of = self._files, self._unpack, self._id_hash, self._sum_of
        due, latest, before, brief = self._due, self._latest, b"", self.brief
        while at + size_of <= whole and number < last:
            fields = unpack_at(text, at)
            depth, length, more, mode, _, _, links, _, inode, size, mtime, ctime, _ = fields
            begin, end = at + size_of, at + size_of + length
            if more or mode >> 12 != _REGULAR or links != 1 or end > whole or size > MAX_SIZE:
                break
            if depth != below:
                found = places.before(depth)
                if found is None:
                    break
                below, before = depth, b"/" + os.fsencode(found)
            name = text[begin:end]
            if not 0 < length <= MAX_NAME or b"/" in name or b"\0" in name or name in (b".", b".."):
                break
            path = before + name
            key = id_hash(path)
            entry = files.get(key)
            if entry is None or not 0 <= mtime <= latest or len(path) > MAX_PATH:
                break
            if ctime < brief and at >= sure and 0 < size <= SMALL:
                break
            age, its_inode, its_size, its_time, ids = unpack(entry, raw=True)
            if its_inode != inode or its_size != size or its_time != ctime or age > 127:
                break
            if places.chooses and not places.saves(os.fsdecode(path[1:])):
                break
            content = sum_of(ids)
            if content is None or (due is not None and ids and due(path)):
                break
            if age:
                files[key] = SEEN + entry[2:]
                self._reads.came += age > 1
            # Plain(…) would take three times as long.
            append(_tuple(Plain, (number, path[1:], fields, ids, content, key)))
            number += 1
            at = end
        return run, at

    def save(self, run: Run) -> int:
        """Add the items of files that were looked at, up to the first one that has lost a chunk:
        how many.
        """
        pack, plain, writer = self._chunks.pack, self._fields.plain, self._writer
        items: list[bytes] = []
        incref = self._chunks.referring()
        total = packed = count = 0
        for number, path, fields, ids, content, key in run:
            try:
                if len(ids) == 1:  # as most have
                    _, size, csize = incref(ids[0])
                    chunks = [(ids[0], size, csize)]
                    packed += csize
                else:
                    chunks = [(one, *incref(one)[1:]) for one in ids]
                    size = sum([its for _, its, _ in chunks])
                    packed += sum([csize for _, _, csize in chunks])
            except KeyError:
                self._chunks.unrefer(ids)
                break
            total += size
            begin, middle, end = plain(fields[3], fields[4], fields[5])
            item = b"".join(
                (
                    *(begin, pack(chunks), CTIME, pack(fields[11]), middle, pack(fields[10])),
                    *(PATH, pack(path), SIZE, pack(size), end),
                )
            )
            items.append(item)
            if writer is not None and len(ids) == 1:
                writer.one(number, key, content, chunks[0][2], item)
            count += 1
        if self._manifest is not None and count:
            sums = b"".join([one.content for one in run[:count]])
            self._manifest.many(run.number, bytes((HAS_SUM,)) * count, sums)
        self._stats.update(total, packed, False)
        self._stats.nfiles += count
        self._chunks.write(b"".join(items))
        return count
