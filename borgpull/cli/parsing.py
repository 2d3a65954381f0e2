"""From the words of a command line to a command, within the one boundary of all commands."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn, cast

import typer
from typer.core import TyperGroup

from borgpull.cli.boundary import Doing, End, boundary
from borgpull.cli.resultfile import told
from borgpull.cli.screen import Screen
from borgpull.errors import ConfigError, Interrupted, InvalidHost, UsageError
from borgpull.verbs import VERBS

NAME = "borgpull"
COMPLETING = "_BORGPULL_COMPLETE"
COMPLETION = ("--install-completion", "--show-completion")
# typer reports wrong words by click's errors. Since 0.26 typer has a click of its own, in which the
# base of these errors has no public name.
ClickException = cast("type[Exception]", typer.BadParameter.__mro__[2])


class Bounded(TyperGroup):
    """A group of commands whose errors, typer's own too, are one line, one hint and one code."""

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **more: Any
    ) -> NoReturn:
        """Raises SystemExit."""
        if COMPLETING in os.environ:
            super().main(args, prog_name or NAME, **more)
            raise SystemExit(0)
        words = list(sys.argv[1:] if args is None else args)
        doing = Doing.of(words)
        screen = Screen(json_lines=wants_json(words), verbose=False)
        with told(doing):
            with boundary(screen, doing):
                reject_dash_hosts(words)
                completes = bool(words) and words[0].partition("=")[0] in COMPLETION
                run = self._completed if completes else self._run
                code = run(words or ["--help"])
            raise End(code if words else UsageError.exit_code, doing)
        raise AssertionError("no end was told")

    def _run(self, words: list[str]) -> int:
        """The exit code of a command that does not end with one itself."""
        try:
            with self.make_context(NAME, list(words)) as context:  # it empties them
                self.invoke(context)
        except typer.Exit as end:
            return end.exit_code
        except (typer.Abort, KeyboardInterrupt):
            raise Interrupted(signal.SIGINT) from None
        except ClickException as error:
            raise usage_error(error) from None
        except SystemExit as end:
            if end.code == 1 and {"-h", "--help"} & set(options_of(words)):
                # The reader of the help has closed the output. rich has put /dev/null in its place.
                raise SystemExit(128 + signal.SIGPIPE) from None
            raise
        return 0

    def _completed(self, words: list[str]) -> int:
        """Run typer's completion options. In a shell unknown to them they end with code 1."""
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                code: object = self._run(words)
        except SystemExit as end:
            code = end.code
        except OSError as error:
            raise ConfigError(f"cannot write {error.filename}: {error.strerror}") from None
        if code:
            raise UsageError(
                f"there is no completion for this shell ({said.getvalue().strip()})",
                hint="call it in bash, zsh, fish or PowerShell",
            )
        sys.stdout.write(said.getvalue())
        return 0


def usage_error(error: Exception) -> UsageError:
    """Our error for one of click's."""
    text = " ".join(error.format_message().split())  # type: ignore[attr-defined]
    context = getattr(error, "ctx", None)
    words = context.command_path if context is not None else NAME
    return UsageError(f"{text[:1].lower()}{text[1:].rstrip('.')}", hint=f"see {words} --help")


def options_of(words: Sequence[str]) -> list[str]:
    """The words before `--`."""
    return list(words[: words.index("--")] if "--" in words else words)


def wants_json(words: Sequence[str]) -> bool:
    """Is JSON wanted? It can be told even if other words or variables are wrong.

    The variable counts for the commands that have it. The output of others may go into a file,
    where a line of JSON would be harm.
    """
    if "--json" in options_of(words):
        return True
    verb = VERBS.get(words[0]) if words else None
    variable = os.environ.get("BORGPULL_JSON", "").strip().lower()
    has_it = verb is not None and not verb.raw
    return has_it and variable in {"1", "true", "t", "yes", "y", "on"}


def reject_dash_hosts(words: Sequence[str]) -> None:
    """Raise InvalidHost for a host like `-oProxyCommand=...`, an attack or a slip.

    The usual error, `no such option`, would not say so.
    """
    if words[:1] and words[0] in VERBS and VERBS[words[0]].address:
        for word in options_of(words)[1:]:
            if re.fullmatch(r"-[^-].+", word):
                raise InvalidHost(f"not a host name or address: {word!r}")
