"""The memory that trees and repositories of a bench are kept in."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

# Room that the trees and the repositories of a plan take.
FOLDER, ROOM = Path("/dev/shm"), 14 << 30
# Each page is written as a whole, and is not of zeros.
_PIECE = b"x" * (1 << 20)


def in_memory() -> Path | None:
    """The folder in memory if everything fits there; None for the disk."""
    there = FOLDER.is_dir() and os.access(FOLDER, os.W_OK)
    return FOLDER if there and shutil.disk_usage(FOLDER).free > ROOM else None


def ready(size: int, folder: Path) -> None:
    """Write `size` bytes to a folder in memory, and give them back. Raises OSError.

    The host of a virtual machine may take free memory back (the kernel's free page reporting). Then
    it takes 2.5 s a gigabyte to get it again, not 0.3, and whichever job comes first would pay.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(0, size, len(_PIECE)):
            file.write(_PIECE)
