"""The base of all errors."""

from __future__ import annotations

from typing import ClassVar


class Told(BaseException):
    """A way for a command to fail, told in one line.

    `summary` is the row of the table in docs/reference.md; `hint` says what to do next. `retry`
    says whether a later try can cure it, with nothing done by anybody in between.
    """

    exit_code = 1
    summary = "internal error (a bug: please report it)"
    hint = "run again with --verbose and report what it prints"
    retry: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if hint is not None:
            self.hint = hint


class BorgpullError(Told, Exception):
    """Base of all errors: what went wrong."""


class Interrupted(Told):
    """A signal ended the run; the exit code is 128 plus its number, as in a shell.

    It is no BorgpullError, as KeyboardInterrupt is no Exception. Code that only reports an error
    and goes on must still end at a signal.
    """

    exit_code = 130
    summary = "ended by a signal: 128 plus its number (130 SIGINT: by hand)"
    hint = "nothing half done counts as a backup; run again"

    def __init__(self, signum: int) -> None:
        super().__init__(f"ended by signal {signum}")
        self.exit_code = 128 + signum
