"""A client's manifests: the next one gets its place among them once its archive has its name."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from borgpull.borg.inside import wire
from borgpull.borg.inside.manifest import NEW, SUFFIX, Manifest
from borgpull.borg.inside.places import Places
from borgpull.borg.inside.sums import Sums


class Book:
    """A client's manifests, and the next one of them."""

    def __init__(self, order: dict[str, Any], roots: Sequence[str], manifest: Manifest) -> None:
        self._order, self._roots, self.manifest = order, roots, manifest
        self._whole = True  # was all written so far?

    def settle(self) -> None:
        """All has come. A manifest that cannot be written is not kept."""
        try:
            self.manifest.settle()
        except OSError:
            self._whole = False

    def keep(self, archive: Any) -> None:
        """The archive has its name. Who ordered this looks for the file: no error is told."""
        with contextlib.suppress(OSError):
            if self._whole:
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

    def paths(self, numbers: Sequence[int]) -> dict[int, str]:
        """The paths of some entries of the listing, by their numbers. Raises OSError."""
        found: dict[int, str] = {}
        wanted, count = {*numbers}, 0
        places = Places(self._roots, None)
        for content in self.manifest.listing() if wanted else ():
            for row in wire.rows(content):
                path = places.path(row.depth, row.name)
                assert path is not None
                if stat.S_ISDIR(row.st.st_mode):
                    places.enter(path)
                if count in wanted:
                    found[count] = path
                count += 1
        return found


@contextlib.contextmanager
def book(order: dict[str, Any] | None, roots: Sequence[str], sums: Sums) -> Iterator[Book | None]:
    """Begin one by an order of `state/manifests.py`. It is gone afterwards unless it was kept."""
    if order is None:
        yield None
        return
    path = Path(order["folder"]) / NEW
    path.unlink(missing_ok=True)
    file = open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")  # noqa: SIM115
    try:
        manifest = Manifest(file, bytes.fromhex(order["key"]), sums)
        manifest.begin(roots, order)
        yield Book(order, roots, manifest)
    finally:
        path.unlink(missing_ok=True)
        # One that was kept is written already. The archive of another one has its name, perhaps:
        # a full disk must not fail the run once more.
        with contextlib.suppress(OSError):
            file.close()
