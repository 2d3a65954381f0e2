"""The start of `borgpull`. Each container starts one, so it imports only what it needs."""

from __future__ import annotations

import gc
import os
import sys

from borgpull.sidecar import in_sidecar

# Objects between two looks for garbage. Nearly all that a start makes stays: without this, the
# looks take a sixth of its time.
GARBAGE = 100_000


def main() -> None:
    """The entry point. Raises SystemExit; in the image, it does not return."""
    gc.set_threshold(GARBAGE)
    if in_sidecar():
        from borgpull.cli.somebody import be_somebody

        be_somebody()
    if sys.argv[1:2] == ["words"]:  # before the keeper, which tells of a command that was killed
        from borgpull.cli.words import unfold

        unfold()
    if not in_sidecar():
        _command()
    from borgpull.cli.keeper import keep

    keep()
    try:
        _beside_an_engine()
    except SystemExit as end:
        _end(end)
        raise


def _beside_an_engine() -> None:
    """The command, while the engine that it will want loads its code."""
    from borgpull.cli import early

    line = early.first_line() if sys.argv[1:] == ["job"] else None
    with early.engine(sys.argv[1:2], line):
        _command(line)


def _command(line: bytes | None = None) -> None:
    """`line` is that of a job, if it has been read already."""
    if sys.argv[1:] == ["job"]:  # from a launcher; typer would take half of the time to start
        from borgpull.cli.job import job, read_and_do

        job() if line is None else read_and_do(line)
    from borgpull.cli.app import app

    app()


def _end(end: SystemExit) -> None:
    """Python would first free all memory, object by object. Returns if something is to be told."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):  # the reader is gone
        return
    if isinstance(end.code, int):
        os._exit(end.code)
