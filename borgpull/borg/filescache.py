"""borg's files cache, in generations: each run trusts only the cache of a verified run.

sshfs can end a file early without an error. borg then remembers the full size and mtime with the
shortened content, and the next run would call the file unchanged (facts, section 0.2). So every run
works on a copy of the last verified generation (BORG_FILES_CACHE_SUFFIX). The copy becomes the
verified one once the archive is verified. Files that a failed or killed run has read are read
again. That is the effect of `--files-cache rechunk`, but only for the files that are in doubt.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from borgpull.errors import ConfigError, of_storage


@dataclass
class Generation:
    """The files cache of one run; `promote()` once its archive is verified."""

    state: Path
    suffix: str
    promoted: bool = False

    def promote(self) -> None:
        fresh = self.state.with_name(self.state.name + ".new")
        fresh.write_text(json.dumps({"verified": self.suffix}))
        fresh.replace(self.state)
        self.promoted = True


@contextmanager
def generation(base: Path) -> Iterator[Generation]:
    """A new generation, copied from the last verified one (empty if there is none).

    Raises DiskFull, ConfigError.
    """
    state = base / "files-cache.json"
    verified = _verified(state)
    run = Generation(state, f"g{os.urandom(4).hex()}")
    try:
        for folder in _caches(base):
            _sweep(folder, {f"files.{verified}"})
            source, target = folder / f"files.{verified}", folder / f"files.{run.suffix}"
            if source.is_file():
                shutil.copyfile(source, target)
            else:
                target.touch()
    except OSError as error:
        found = of_storage(error, base)
        raise found or ConfigError(f"cannot use the cache in {base}: {error.strerror}") from None
    try:
        yield run
    finally:
        good = run.suffix if run.promoted else verified
        for folder in _caches(base):
            _sweep(folder, {f"files.{good}"})


def _verified(state: Path) -> str:
    try:
        return str(json.loads(state.read_text())["verified"])
    except (OSError, ValueError, KeyError, TypeError):
        return "none"


def _caches(base: Path) -> list[Path]:
    """borg's cache folders: one for each repository id, so several if a repository was replaced."""
    return [folder for folder in (base / "cache").glob("[0-9a-f]*") if folder.is_dir()]


def _sweep(folder: Path, keep: set[str]) -> None:
    for path in folder.glob("files.g*"):
        if path.name not in keep:
            path.unlink(missing_ok=True)
