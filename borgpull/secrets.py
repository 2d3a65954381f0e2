"""Secrets: read from a file, masked by type, handed to borg through a file descriptor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

# An engine is started before both are loaded (cli/early.py).
if TYPE_CHECKING:
    from pathlib import Path

# A pipe holds 64 KiB before a write blocks. No user has a longer passphrase.
MAX_PASSPHRASE = 32 * 1024


class Secret:
    """Text that shows as `***` wherever it is printed; `reveal()` is the one way out."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a secret is not to be serialised")


def read_passphrase(path: Path) -> Secret | None:
    """The one line of a passphrase file, without its final newline; None if there is no file.

    Raises ConfigError if the file cannot be read, is empty, is too long, or has a second line. The
    passphrase goes to a client as a line, and a second line would be taken for a command.
    """
    from borgpull.errors import ConfigError

    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_PASSPHRASE + 1)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"cannot read the passphrase file {path}: {reason}") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or len(text) > MAX_PASSPHRASE:
        raise ConfigError(f"the passphrase file {path} is {'too long' if text else 'empty'}")
    if "\n" in text or "\0" in text:
        raise ConfigError(
            f"the passphrase file {path} has more than one line",
            hint="write the passphrase alone into it, on one line",
        )
    return Secret(text)


@contextmanager
def as_fd(secret: Secret | None) -> Iterator[int | None]:
    """A pipe's read end, from which borg takes the passphrase (BORG_PASSPHRASE_FD); None for none.

    It is never in the environment, which /proc/PID/environ and `docker inspect` show.
    """
    if secret is None:
        yield None
        return
    read_end, write_end = os.pipe()
    try:
        try:
            os.write(write_end, secret.reveal().encode())
        finally:
            os.close(write_end)
        yield read_end
    finally:
        os.close(read_end)
