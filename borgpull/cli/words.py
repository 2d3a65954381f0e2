"""`borgpull words`: the words of a command line from a file, where no shell may split them. Hidden.

A shard's pod finds the file by its index.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from borgpull.errors import ConfigError


def words(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A list in JSON.")],
) -> NoReturn:
    """Raises SystemExit, as the command of these words does."""
    from borgpull.cli.app import app

    found = read(file)
    sys.argv[1:] = found  # errors tell of the command
    app(found)
    raise AssertionError("a command came back")


def read(file: Path) -> list[str]:
    """The words of a command. Raises ConfigError."""
    try:
        found = json.loads(file.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from None
    except ValueError:
        found = None
    if not (isinstance(found, list) and all(isinstance(word, str) for word in found)):
        raise ConfigError(f"{file} is no list of words", hint='for instance ["list", "web1"]')
    if found[:1] in ([], ["words"]):
        raise ConfigError(f"{file} has no command of borgpull")
    return found
