"""The start of `borgpull`. Each container starts one, so it imports only what it needs."""

from __future__ import annotations

import sys

from borgpull.launchers.run import in_sidecar


def main() -> None:
    """The entry point. Raises SystemExit."""
    if in_sidecar():
        from borgpull.cli.somebody import be_somebody

        be_somebody()
    if sys.argv[1:2] == ["words"]:  # before the keeper, which tells of a command that was killed
        from borgpull.cli.words import unfold

        unfold()
    if in_sidecar():
        from borgpull.cli.keeper import keep

        keep()
    if sys.argv[1:] == ["job"]:  # from a launcher; typer would take half of the time to start
        from borgpull.cli.job import job

        job()
    from borgpull.cli.app import app

    app()
