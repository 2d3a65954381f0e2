"""One wrong bit: what a disk does, and what a drill must see."""

from __future__ import annotations

import os
from pathlib import Path


def flip(path: Path, at: int) -> None:
    """Change a bit of the byte there; a negative `at` counts from the end. Raises OSError.

    Owner and mode stay.
    """
    with path.open("r+b", buffering=0) as file:
        file.seek(at, os.SEEK_SET if at >= 0 else os.SEEK_END)
        (byte,) = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def largest_segment(repository: Path) -> Path:
    """The largest file that borg has for data: most of it is content."""
    found = (path for path in (repository / "data").rglob("*") if path.is_file())
    return max(found, key=lambda path: path.stat().st_size)


def flip_within(repository: Path) -> None:
    """Change a bit in the middle of the largest file of data. Raises OSError."""
    path = largest_segment(repository)
    flip(path, path.stat().st_size // 2)
