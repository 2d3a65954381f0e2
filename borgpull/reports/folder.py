"""The folder that reports are written to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from borgpull.errors import ConfigError, DiskFull, DrillFailed, StorageFailed
from borgpull.outputs.drills import Reported
from borgpull.reports import REPORTS
from borgpull.state import files


def clear(folder: Path) -> None:
    """Make the folder, and remove the reports of an earlier drill. Raises DrillFailed.

    Nobody is to take them for this drill's, whatever becomes of it.
    """
    with _told(folder):
        folder.mkdir(exist_ok=True)
        for name in REPORTS:
            (folder / name).unlink(missing_ok=True)


def write(report: Reported, folder: Path) -> list[Path]:
    """Write each report as a whole. Returns what is written. Raises DrillFailed.

    If one cannot be written, no report of an earlier drill is left.
    """
    clear(folder)
    written = []
    with _told(folder):
        for name, render in REPORTS.items():
            if text := render(report):
                files.replace(folder / name, text)
                written.append(folder / name)
    return written


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DrillFailed(f"cannot write the reports to {folder}: {error.strerror}") from None
    except (ConfigError, DiskFull, StorageFailed) as error:
        raise DrillFailed(f"cannot write the reports: {error.message}", hint=error.hint) from None
