"""The list of archives, as `borg list` has it, told by the engine of `stream`."""

from __future__ import annotations

from typing import Any

from borgpull.borg.inside.tell import Teller

LISTED_LINE, LISTED = "borgpull_listed", 1000  # archives of one line


def tell_listed(teller: Teller, manifest: Any) -> None:
    """The list of archives, as `borg list` has it; the last line has `more: false`."""
    found = [row_of(one) for one in manifest.archives.list(sort_by=["ts"])]
    for at in range(0, max(1, len(found)), LISTED):
        more = at + LISTED < len(found)
        teller.line({"type": LISTED_LINE, "archives": found[at : at + LISTED], "more": more})


def row_of(info: Any) -> dict[str, Any]:
    from borg.helpers import OutputTimestamp  # type: ignore[import-not-found]

    time = OutputTimestamp(info.ts).to_json()
    return {"name": info.name, "id": info.id.hex(), "time": time}


def row(name: str, repository: Any, key: Any) -> dict[str, Any]:
    """The row of a saved archive, as `borg list` has it. Raises borg's errors.

    The list and the archive are read from the repository, and authenticated.
    """
    from borg.archive import Archive  # type: ignore[import-not-found]
    from borg.helpers import Manifest

    manifest, _ = Manifest.load(repository, (Manifest.Operation.READ,), key=key)
    archive = Archive(repository, key, manifest, name)
    return {**row_of(manifest.archives[name]), "name": archive.name, "id": archive.fpr}
