"""The start of a process that is a borg with something of ours."""

from __future__ import annotations

import functools
import os
import select
import sys
from collections.abc import Callable, Mapping
from typing import Any, TextIO


def taken_input() -> TextIO:
    """The standard input. borg finds nothing there from now on: it may have questions."""
    control = open(os.dup(0), encoding="utf-8")  # noqa: SIM115 - as long as this process
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return control


def be(env: Mapping[str, str]) -> None:
    """Take over an environment that came once borg was loaded."""
    from borg.platform import base  # type: ignore[import-not-found]

    os.environ.update(env)
    base.hostid = env["BORG_HOST_ID"]  # borg has read it as it was loaded (1.4.5, base.py)


def run_to_its_end(program: Callable[[], None]) -> None:
    """Run borg's main, and end. Python would first free all memory, object by object."""
    try:
        program()
    except SystemExit as end:
        if isinstance(end.code, int):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(end.code)
        raise


def waits_for_locks_until_the_end_of(control: TextIO) -> None:
    """Have borg end while it waits for somebody's lock, once nobody can want anything of it.

    It leaves whatever it holds. Else it would sleep on, for up to a tenth of `--lock-wait` at once
    (borg 1.4.5: locking.py, TimeoutTimer.sleep).
    """
    from borg.locking import TimeoutTimer  # type: ignore[import-not-found]

    gone = select.poll()
    gone.register(control, 0)  # of a pipe whose other end is closed, poll(2) tells in any case

    def sleep(timer: Any) -> None:
        if timer.sleep_interval >= 0 and gone.poll(timer.sleep_interval * 1000):
            raise SystemExit(0)

    TimeoutTimer.sleep = sleep


def parse_fast(archiver: Any) -> None:
    """Have one parser of arguments: borg makes it anew each time, and that takes a while."""
    archiver.Archiver.build_parser = functools.cache(archiver.Archiver.build_parser)
