"""What a run has archived, kept apart from the archive: to compare with what a restore brings.

A manifest has the client's listing as it came, which is packed, and a record of each saved entry:
its number in the listing, and what the listing does not have. `borgpull/borg/manifest.py` reads it.

    START      JSON: the format, and the roots
    LIST, NAME frames of the client (wire.py)
    SAVED      records: number, flags; then, by the flags, a sum, a first name, and what the entry
               was when it was read, as JSON
    END        JSON: the archive and its id, the manifest's number, the MAC of the one before

After the last frame comes the MAC of all before it, by a key that the client does not have.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from borgpull.borg.inside import wire
from borgpull.borg.inside.slots import Slot
from borgpull.borg.inside.sums import Sums

FORMAT = 1
START, SAVED, END = 200, 201, 202
RECORD, LENGTH = struct.Struct("<IB"), struct.Struct("<I")
HAS_SUM, FURTHER, LEADS, OTHER = 1, 2, 4, 8  # flags of a record
MAC = 32  # bytes
SUFFIX, NEW = ".manifest", "new"
_BLOCK = 256 << 10
_PLAIN = struct.Struct("<IB32s").pack


class Manifest:
    """One that is being written."""

    def __init__(self, file: IO[bytes], key: bytes, sums: Sums) -> None:
        self._file, self._mac, self._sums = file, hmac.new(key, digestmod="sha256"), sums
        self._get = sums.get
        self._records = bytearray()

    def frame(self, kind: int, content: bytes) -> None:
        """Raises OSError."""
        head = wire.HEAD.pack(kind, len(content))
        self._mac.update(head)
        self._mac.update(content)
        self._file.write(head)
        self._file.write(content)

    def saved(self, slot: Slot) -> None:
        """An entry is in the archive. Raises OSError."""
        found, ids = None, slot.ids
        if slot.status == "U" and slot.st.st_nlink == 1 and not slot.other:  # nearly all are so
            found = self._get(ids[0]) if len(ids) == 1 else self._sums.of(ids)
        if found is not None:
            self._records += _PLAIN(slot.number, HAS_SUM, found)
        else:
            self._record(slot)
        if len(self._records) >= _BLOCK:
            self._flush()

    def _record(self, slot: Slot) -> None:
        flags, found, more = 0, b"", b""
        if slot.status == "h":
            flags = FURTHER
            name = os.fsencode(slot.item["source"])
            more = LENGTH.pack(len(name)) + name
        elif slot.status in "AMUC":
            known = slot.sum
            if known is None and slot.status == "U":  # others have no chunks here
                known = self._sums.of(slot.ids)
            if known is not None:
                flags, found = HAS_SUM, known
        if slot.item.get("hardlink_master"):
            flags |= LEADS
        if slot.other:
            flags |= OTHER
            text = json.dumps([slot.st, _words(slot)]).encode()
            more += LENGTH.pack(len(text)) + text
        self._records += RECORD.pack(slot.number, flags) + found + more

    def _flush(self) -> None:
        self.frame(SAVED, bytes(self._records))
        self._records.clear()

    def end(self, facts: dict[str, Any]) -> bytes:
        """Write what is left; returns the MAC. Raises OSError."""
        self._flush()
        self.frame(END, json.dumps(facts).encode())
        mac = self._mac.digest()
        self._file.write(mac)
        self._file.flush()
        os.fsync(self._file.fileno())
        return mac


def _words(slot: Slot) -> list[Any]:
    """`slot.extra`, for JSON."""
    one = slot.extra
    pairs = [[key.hex(), value.hex()] for key, value in one.xattrs.items()]
    return [pairs, one.target.hex(), one.flags, one.access.hex(), one.default.hex()]


class Book:
    """A client's manifests, and the next one of them."""

    def __init__(self, order: dict[str, Any], manifest: Manifest) -> None:
        self._order, self.manifest = order, manifest

    def keep(self, archive: Any) -> None:
        """The archive has its name. Who ordered this looks for the file: no error is told."""
        with contextlib.suppress(OSError):
            self._keep(archive)

    def _keep(self, archive: Any) -> None:
        number = self._order["number"]
        facts = {"archive": archive.name, "id": archive.id.hex(), "number": number}
        self.manifest.end({**facts, "before": self._order["before"]})
        folder = Path(self._order["folder"])
        (folder / NEW).replace(folder / f"{number:08}-{archive.id.hex()}{SUFFIX}")
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def book(order: dict[str, Any] | None, roots: Sequence[str], sums: Sums) -> Iterator[Book | None]:
    """Begin one by an order of `state/manifests.py`. It is gone afterwards unless it was kept."""
    if order is None:
        yield None
        return
    path = Path(order["folder"]) / NEW
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        try:
            manifest = Manifest(file, bytes.fromhex(order["key"]), sums)
            words = [os.fsencode(root).hex() for root in roots]
            manifest.frame(START, json.dumps({"format": FORMAT, "roots": words}).encode())
            yield Book(order, manifest)
        finally:
            path.unlink(missing_ok=True)
