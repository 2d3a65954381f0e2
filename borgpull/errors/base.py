"""The base of all errors."""

from __future__ import annotations


class Told(BaseException):
    """A way for a command to fail, told in one line.

    `summary` is the row of the table in docs/reference.md; `hint` says what to do next.
    """

    exit_code = 1
    summary = "internal error (a bug: please report it)"
    hint = "run again with --verbose and report what it prints"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if hint is not None:
            self.hint = hint


class BorgpullError(Told, Exception):
    """Base of all errors: what went wrong."""
