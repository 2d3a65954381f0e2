"""Secrets: read from a file, masked by type, handed to borg through a file descriptor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from borgpull.errors import ConfigError

# A pipe holds 64 KiB before a write blocks; nobody types a longer passphrase.
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
    """The first line's worth of a passphrase file, without its final newline; None if no such file.

    Raises ConfigError where the file cannot be read, is empty or too long.
    """
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
    return Secret(text)


@contextmanager
def as_fd(secret: Secret | None) -> Iterator[int | None]:
    """A pipe's read end from which borg takes the passphrase (BORG_PASSPHRASE_FD); None for none.

    Never the environment: /proc/PID/environ and `docker inspect` show that.
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
