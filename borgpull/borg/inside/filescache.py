"""borg's files cache, read and written without taking every entry apart.

borg 1.4.5 unpacks each entry of the file and packs it again, once when it reads the file and once
when it writes it. Here an entry stays as it is, but for its age. The file is borg's own, byte by
byte: a stock borg may read it and write it in between.
(borg 1.4.5: cache.py, LocalCache._read_files, commit, file_known_and_unchanged, memorize_file)
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO

from borgpull.borg.inside.wire import Stat

PIECE, BATCH = 4 << 20, 2000  # bytes of one read, and entries of one write
_NUMBER = rb"(?:[\x00-\x7f]|\xcc.|\xcd..|\xce.{4}|\xcf.{8})"
_ID = rb"\xda\x00\x20.{32}"
# The hash of a path, an age that can be one more, and the rest: inode, size, time, ids of chunks.
_ENTRY = re.compile(
    rb"\x92\xda\x00\x20(.{32})\x95([\x00-\x7e])("
    + _NUMBER * 3
    + rb"(?:[\x90-\x9f]|\xdc..|\xdd.{4})(?:"
    + _ID
    + rb")*)",
    re.DOTALL,
)
_BEFORE = b"\x92\xda\x00\x20"  # what is before the hash
_AROUND = len(_BEFORE) + 32 + 2  # bytes of an entry without its rest
_OLDER = {bytes((age,)): bytes((0x95, age + 1)) for age in range(127)}
# An entry with one chunk has 65 bytes at most, and one with two has 76 at least.
_TWO_CHUNKS = 70
SEEN = b"\x95\x00"  # the beginning of an entry that this run has seen
NO_IDS, ONE_ID = b"\x90", b"\x91\xda\x00\x20"  # of an empty file; what is before a single id
GREATEST = (1 << 63) - 1


class Odd(Exception):
    """A file that is not as borg 1.4.5 writes it: borg's own code must look at it."""


def use() -> None:
    """Have borg's cache read and write its files cache by this module."""
    from borg.cache import LocalCache  # type: ignore[import-not-found]
    from borg.crypto.file_integrity import FileIntegrityError  # type: ignore[import-not-found]

    stock_read, stock_commit = LocalCache._read_files, LocalCache.commit

    def read_files(cache: Any) -> None:
        try:
            cache.files, cache._newest_cmtime = _read(cache), None
        except (Odd, OSError, FileIntegrityError):
            stock_read(cache)  # it warns

    def commit(cache: Any) -> None:
        files = cache.files
        if files is not None and cache.txn_active:
            _write(cache)
        cache.files = None  # borg writes all else
        try:
            stock_commit(cache)
        finally:
            cache.files = files

    LocalCache._read_files, LocalCache.commit = read_files, commit


def _opened(cache: Any, *, write: bool) -> Any:
    """The file; `integrity_data` of a written one is what borg's configuration keeps of it."""
    from borg.cache import files_cache_name
    from borg.crypto.file_integrity import IntegrityCheckedFile

    name = files_cache_name()
    known = None if write else cache.cache_config.integrity.get(name)
    path = os.path.join(cache.path, name)
    return IntegrityCheckedFile(path=path, write=write, integrity_data=known)


def _read(cache: Any) -> dict[bytes, bytes]:
    """The entries by the hash of their path, each one run older. Raises Odd, borg's errors."""
    with _opened(cache, write=False) as file:
        return {key: _OLDER[age] + rest for key, age, rest in entries(file)}


def entries(file: BinaryIO) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Hash, age and rest of each entry. Raises Odd."""
    text = b""
    while piece := file.read(PIECE):
        text += piece
        found = _ENTRY.findall(text)
        del found[-1:]  # it may be cut
        yield from found
        text = text[sum(_AROUND + len(rest) for _, _, rest in found) :]
    found = _ENTRY.findall(text)
    yield from found
    if sum(_AROUND + len(rest) for _, _, rest in found) != len(text):
        raise Odd


def _write(cache: Any) -> None:
    """Write what borg would keep: not the newest files of this run, and no entry that is too old.

    Where no file was read, borg takes the greatest number as the newest time, and keeps it for the
    rest of the run. Here it does not: a checkpoint may come before the first file.
    """
    from borg.cache import files_cache_name
    from borg.helpers.msgpack import bigint_to_int, unpackb  # type: ignore[import-not-found]

    newest = GREATEST if cache._newest_cmtime is None else cache._newest_cmtime
    ttl = int(os.environ.get("BORG_FILES_CACHE_TTL", "20"))
    # An entry with one chunk ends with its time and the chunk. So bytes tell that it is older.
    bound = b"\xcf" + struct.pack(">Q", newest)

    def kept(entry: bytes) -> bool:
        if not entry[1] and len(entry) < _TWO_CHUNKS and b"\xcf" <= entry[-45:-36] < bound:
            return True
        age, _, _, time, _ = unpackb(entry)
        if age:
            return bool(age < ttl)
        return bool(newest == GREATEST or bigint_to_int(time) < newest)

    with _opened(cache, write=True) as file:
        rest = iter(cache.files.items())
        while some := list(islice(rest, BATCH)):
            file.write(b"".join([x for key, it in some if kept(it) for x in (_BEFORE, key, it)]))
    cache.cache_config.integrity[files_cache_name()] = file.integrity_data


class Files:
    """The files of a cache, while a run looks at them."""

    def __init__(self, cache: Any) -> None:
        from borg.helpers import safe_ns  # type: ignore[import-not-found]
        from borg.helpers.msgpack import mp_Packer, mp_unpackb

        self._cache, self.entries = cache, cache.files
        self._pack = mp_Packer(use_bin_type=False).pack  # as borg's own packb
        self._safe_ns, self.unpack = safe_ns, mp_unpackb
        self.usual = set(cache.cache_mode) == set("cis")  # ctime, inode, size
        self.age = 0  # of the last found one: runs since one has seen it, with this one

    def find(self, key: bytes, st: Stat) -> tuple[bool, list[bytes] | None]:
        """Is a file known by the hash of its path? And its chunks, if it is unchanged."""
        if not self.usual:
            known, ids = self._cache.file_known_and_unchanged(b"", key, st)
            return known, ids
        entry, self.age = self.entries.get(key), 0
        if entry is None:
            return False, None
        age, inode, size, time, ids = self.unpack(entry, raw=True)
        if size != st.st_size or inode != st.st_ino or time != st.st_ctime_ns:
            return True, None
        self.age = age
        if age > 127:  # it takes more than one byte
            self.entries[key] = self._pack((0, inode, size, time, ids))
        elif age:
            self.entries[key] = SEEN + entry[2:]
        return True, ids

    def memorize(self, key: bytes, st: Stat, ids: list[bytes]) -> None:
        """Note a file that was read."""
        if not self.usual:
            self._cache.memorize_file(b"", key, st, ids)
            return
        time = self._safe_ns(st.st_ctime_ns)
        self.note(key, time, self._pack((0, st.st_ino, st.st_size, time, ids)))

    def note(self, key: bytes, time: int, entry: bytes) -> None:
        """Note a file that was read, whose entry is packed. `time` is its ctime, as borg stores it.

        To be used with a usual cache.
        """
        self.note_all({key: entry}, time)

    def note_all(self, entries: dict[bytes, bytes], time: int) -> None:
        """As `note` of each one. `time` is the latest one of all."""
        self.entries.update(entries)
        newest = self._cache._newest_cmtime
        if newest is None or time > newest:
            self._cache._newest_cmtime = time
