"""borg's files cache, read and written without taking every entry apart.

borg 1.4.5 unpacks each entry of the file and packs it again, once when it reads the file and once
when it writes it. Here an entry stays as it is, but for its age. The file is borg's own, byte by
byte: a stock borg may read it and write it in between.
(borg 1.4.5: cache.py, LocalCache._read_files, commit, file_known_and_unchanged, memorize_file)
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from borgpull.borg.inside.wire import Stat

PIECE = 4 << 20  # bytes of one read
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
_SEEN = b"\x95\x00"  # the beginning of an entry that this run has seen
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
    with _opened(cache, write=True) as file:
        kept: list[bytes] = []
        for key, entry in cache.files.items():
            seen = entry[1] == 0
            if seen and newest < GREATEST:
                keep = bigint_to_int(unpackb(entry)[3]) < newest
            else:
                keep = seen or unpackb(entry)[0] < ttl
            if keep:
                kept += (_BEFORE, key, entry)
                if len(kept) > 6000:
                    file.write(b"".join(kept))
                    kept = []
        file.write(b"".join(kept))
    cache.cache_config.integrity[files_cache_name()] = file.integrity_data


class Files:
    """The files of a cache, while a run looks at them."""

    def __init__(self, cache: Any) -> None:
        from borg.helpers import safe_ns  # type: ignore[import-not-found]
        from borg.helpers.msgpack import mp_unpackb, packb

        self._cache, self._files = cache, cache.files
        self._safe_ns, self._pack, self._unpack = safe_ns, packb, mp_unpackb
        self._usual = set(cache.cache_mode) == set("cis")  # ctime, inode, size

    def find(self, key: bytes, st: Stat) -> tuple[bool, list[bytes] | None]:
        """Is a file known by the hash of its path? And its chunks, if it is unchanged."""
        if not self._usual:
            known, ids = self._cache.file_known_and_unchanged(b"", key, st)
            return known, ids
        entry = self._files.get(key)
        if entry is None:
            return False, None
        age, inode, size, time, ids = self._unpack(entry, raw=True)
        if size != st.st_size or inode != st.st_ino or time != st.st_ctime_ns:
            return True, None
        if age > 127:  # it takes more than one byte
            self._files[key] = self._pack((0, inode, size, time, ids))
        elif age:
            self._files[key] = _SEEN + entry[2:]
        return True, ids

    def memorize(self, key: bytes, st: Stat, ids: list[bytes]) -> None:
        """Note a file that was read."""
        if not self._usual:
            self._cache.memorize_file(b"", key, st, ids)
            return
        time = self._safe_ns(st.st_ctime_ns)
        self._files[key] = self._pack((0, st.st_ino, st.st_size, time, ids))
        if self._cache._newest_cmtime is None or time > self._cache._newest_cmtime:
            self._cache._newest_cmtime = time
