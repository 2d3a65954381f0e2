"""borg's own lines on standard error, for a tree that is not on this machine."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from typing import Any

# What may become of an item, as `borg create --list` has it.
LETTERS = "AMUCEdhsbcfix-"


class Teller:
    """Says of each path what `borg create --log-json --list` would say.

    borg puts question marks for bytes that are no text. These lines have the exact names.
    """

    def __init__(self, archiver: Any) -> None:
        self._archiver = archiver
        wanted = archiver.output_filter
        every = LETTERS if wanted is None else wanted
        self.shown = frozenset(every if archiver.output_list else "")  # letters that get a line

    def status(self, status: str, path: str) -> None:
        if status in self.shown:
            self.line({"type": "file_status", "status": status, "path": path})

    def failed(self, path: str, op: str, errno: int, text: str = "") -> None:
        """A file or folder that is not in the archive. borg chooses the warning by the error."""
        from borg.archive import backup_io  # type: ignore[import-not-found]
        from borg.helpers import BackupError, BackupWarning  # type: ignore[import-not-found]

        try:
            with backup_io(op):
                raise OSError(errno, text or os.strerror(errno))
        except BackupError as error:
            self._archiver.print_warning_instance(BackupWarning(path, error))
        self.status("E", path)

    def changed(self, path: str) -> None:
        from borg.helpers import FileChangedWarning

        self._archiver.print_warning_instance(FileChangedWarning(path))

    def unknown_type(self, path: str) -> None:
        self._archiver.print_warning("Unknown file type: %s", path)

    def attributes(self, path: str, failed: Iterable[tuple[bytes, int]]) -> None:
        """Attributes that are not in the archive, though their file is."""
        from borg.xattr import logger  # type: ignore[import-not-found]

        for name, errno in failed:
            error = OSError(errno, os.strerror(errno), os.fsencode(path))
            text = f"when getting extended attribute {name.decode(errors='replace')}: {error}"
            logger.warning("%s", text)

    def line(self, message: dict[str, Any]) -> None:
        sys.stderr.write(json.dumps(message) + "\n")
        sys.stderr.flush()
