"""The start of a process that is a borg with something of ours."""

from __future__ import annotations

import functools
import os
from typing import Any, TextIO


def taken_input() -> TextIO:
    """The standard input. borg finds nothing there from now on: it may have questions."""
    control = open(os.dup(0), encoding="utf-8")  # noqa: SIM115 - as long as this process
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return control


def parse_fast(archiver: Any) -> None:
    """Have one parser of arguments: borg makes it anew each time, and that takes a while."""
    archiver.Archiver.build_parser = functools.cache(archiver.Archiver.build_parser)
