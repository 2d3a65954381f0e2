"""The guard's look at a manifest, begun while the archive is still being saved.

It takes 0.3 s for 100,000 files. Meanwhile, this process would only wait for the engine.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from pathlib import Path

from borgpull.guard.look import Look, Seen
from borgpull.state import manifests, ownkey
from borgpull.state.manifests import Skimmed


class Early:
    """A look that is on its way. Nobody waits for it at the end of the process."""

    def __init__(self, state: Path, client: str) -> None:
        """Raises RuntimeError if the system has no thread left."""
        self._found: Future[tuple[int, Seen]] = Future()
        threading.Thread(target=self._look, args=(state, client), daemon=True).start()

    def _look(self, state: Path, client: str) -> None:
        try:
            with manifests.unfinished(state, client) as found:
                self._found.set_result((found.inode, seen(state, client, found)))
        except BaseException as error:
            self._found.set_exception(error)

    def seen(self, kept: Skimmed) -> Seen | None:
        """What it has seen, once it is through. None if that was not all of this manifest.

        The file had no MAC yet, so that it may have failed in any way.
        """
        try:
            inode, found = self._found.result()
        except Exception:
            return None
        return found if (inode, found.entries) == (kept.inode, kept.entries) else None


def seen(state: Path, client: str, found: Skimmed) -> Seen:
    """Go through the records. Raises BadManifest, DiskFull, StorageFailed, ConfigError."""
    look = Look(ownkey.key(state, client, "guard"), sums=not found.some)
    return look.take(found.records)
