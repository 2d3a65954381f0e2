"""`borgpull words`: the words of a command line from a file, where no shell may split them. Hidden.

A shard's pod finds the file by its index.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import NoReturn

from borgpull.errors import ConfigError
from borgpull.verbs import VERBS


def unfold() -> None:
    """Put the words in the place of the file, so that all that looks at them sees the command.

    Without a file that will do, they stay, and the command tells why.
    """
    if sys.argv[1:2] == ["words"] and len(sys.argv) == 3:
        with contextlib.suppress(ConfigError):
            sys.argv[1:] = read(Path(sys.argv[2]))


def words(file: Path) -> NoReturn:
    """Raises ConfigError: a file that will do has been read before."""
    read(file)
    raise ConfigError(f"{file} has changed")


def read(file: Path) -> list[str]:
    """The words of a job. Raises ConfigError."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from None
    except ValueError:
        found = None
    if not (isinstance(found, list) and all(isinstance(word, str) for word in found)):
        raise ConfigError(f"{file} is no list of words", hint='for instance ["list", "web1"]')
    if not found or found[0] not in VERBS:
        raise ConfigError(f"{file} has no job for borgpull", hint='for instance ["list", "web1"]')
    return found
