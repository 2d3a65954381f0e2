"""The helper of `stream` on a client: how it is started, and what it says of the client.

Its text goes by standard input to a Python there, which runs it from memory.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import select
import time
import zlib
from collections.abc import Iterator, Sequence
from typing import IO, Any, NamedTuple

from borgpull.borg.inside import wire
from borgpull.client import shell
from borgpull.client.facts import FORCED, Facts
from borgpull.client.hello import read, there
from borgpull.client.mounts import FALLBACK
from borgpull.client.sudo import as_root, no_answer
from borgpull.errors import BorgpullError, ClientUnsuitable, ConnectionLost, HostileClient
from borgpull.process import CommandError, Completed, Running, running
from borgpull.ssh import words
from borgpull.ssh.session import Session
from borgpull.trees.manifest import ALL, Carried

# The texts that make up the helper, in their order. An import of one by the other is left out. The
# first ones answer the question. The rest is compiled while this side looks at the answer.
FIRST = ("look", "hello")
REST = ("tags", "brief", "list", "beside", "delta", "lanes", "pack", "read")
_IMPORT = re.compile(r"^from borgpull\.[^(\n]*(?:\([^)]*\))?$", re.MULTILINE)
# Comments, empty lines, and docstrings with something of their own indentation after them.
_UNREAD = re.compile(
    r'^( *)"""(?:[^"]|"(?!""))*"""\n(?=\n*\1\S)|^ *(?:#.*)?\n|  # .*', re.MULTILINE
)
# What mypy alone reads, up to the next line without an indentation.
_FOR_MYPY = re.compile(r"^MYPY = False\nif MYPY:.*\n(?: .*\n|\n)*", re.MULTILINE)
# Types in the first line of a function, whose parameters are in that line.
_DEF = re.compile(r"^ *def .*:$", re.MULTILINE)
_TYPE = re.compile(r'(?<=\w): (?:"[^"]*"|[\w.]+)(?=[,)]| =)| -> (?:"[^"]*"|[\w.]+)(?=:$)')
# It reads its own text, and then lines, by the one buffer.
_BOOT = (
    "import sys\n"
    "if sys.version_info < (3, 6): sys.exit('borgpull-python')\n"
    "I = sys.stdin.buffer\n"
    "exec(compile(I.read(int(I.read(8))), 'borgpull', 'exec'))\n"
)
_START = "command -v python3 >/dev/null || { echo borgpull-python >&2; exit 1; }\n"
_START += 'exec python3 -I -S -c "$1"\n'
MARK = b"\nborgpull-stream 1 \n"
MAX_GREETING = 64 << 10
ANSWER_SECONDS, END_SECONDS = 60.0, 30.0
# What `borg create` is told beside its usual options.
CREATE_ARGS: tuple[str, ...] = ()
SEES_ALL: bool = True
COMPARES: bool = True
OUTLASTS: bool = True
LOSES: tuple[str, ...] = ()
CARRIES: tuple[Carried, ...] = ALL


def source() -> str:
    """As it is sent: without what no Python reads."""
    return _text(FIRST) + f"exec(compile({_text(REST)!r}, 'borgpull', 'exec'))\n"


def whole() -> str:
    """As one program, which is compiled at once."""
    return _text((*FIRST, *REST))


def checksum() -> str:
    """Of the text that is sent: a key that is limited to a helper tells if that is another one."""
    return str(zlib.crc32(source().encode()))


@functools.cache
def _text(parts: tuple[str, ...]) -> str:
    scripts = (shell.script(f"stream_{part}.py") for part in parts)
    text = "".join(_UNREAD.sub("", _IMPORT.sub("", text)) for text in scripts)
    text = _FOR_MYPY.sub("", text)
    return _DEF.sub(lambda line: _TYPE.sub("", line[0]), text).replace("    ", " ")


def question(paths: Sequence[str]) -> bytes:
    """The input with which a helper begins: it is asked for these paths (absolute)."""
    return _input(source().encode(), {"paths": [os.fsencode(path).hex() for path in paths]})


def lane(call: str, number: int) -> bytes:
    """The input by which a channel is handed to the helper that answers to this call."""
    return _input(_text(FIRST).encode(), {"lane": call, "number": number})


def _input(text: bytes, question: dict[str, object]) -> bytes:
    asked = json.dumps(question).encode()
    return shell.line(_START, _BOOT) + b"%8d" % len(text) + text + asked + b"\n"


class Helper:
    """A helper under way; it has answered the question."""

    names = True  # can the client tell the names of users?

    def __init__(self, child: Running, session: Session, requests: IO[bytes]) -> None:
        self._child, self._session, self._requests = child, session, requests

    def go(
        self,
        roots: Sequence[str],
        bars: dict[str, list[str | None]],
        more: dict[str, Any] | None = None,
    ) -> None:
        """Let it list the roots (absolute). `bars` is as `hello.bars` makes it.

        `more` is for another reader of ours in its place. Raises ConnectionLost.
        """
        plan = {
            **(more or {}),
            "roots": [_hex(path) for path in roots],
            "bars": {
                _hex(path): [None if name is None else _hex(name) for name in names]
                for path, names in bars.items()
            },
        }
        send(self._requests, json.dumps(plan).encode() + b"\n")

    def require_ended_well(self) -> None:
        """Raises `lost` if it has not ended with the exit code 0."""
        if error := self.lost():
            raise error

    def check(self, _plan: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """What it has not seen, and how sure that is, as `jail/compare.py` tells it: nothing.

        Raises `lost`.
        """
        self.require_ended_well()
        return [], {"skew": 0.0, "more": {}, "walked": True, "checked": True}

    def lost(self) -> BorgpullError | None:
        """The error if it did not end well."""
        target = self._session.config.target
        try:
            code = self._child.wait(END_SECONDS)
        except CommandError:
            return ConnectionLost(f"the helper on {target} does not end")
        if code == 0:
            return None
        said = words.last(self._child.stderr())
        return ConnectionLost(f"the helper on {target} ended with {code}: {said}")


class Ends(NamedTuple):
    """Of the pipes between the engine and a reader: the engine's, and the reader's."""

    answers: IO[bytes]
    requests: IO[bytes]
    theirs: tuple[IO[bytes], IO[bytes]]  # where requests come from, and answers go

    def ask(self, question: bytes) -> tuple[bytes, bytes | None]:
        """As `answer_of`. Raises HostileClient, ConnectionLost."""
        send(self.requests, question)
        return answer_of(self.answers.fileno())


@contextlib.contextmanager
def started(
    session: Session, paths: Sequence[str], ends: Ends, *, sudo: bool
) -> Iterator[tuple[Helper, Facts, tuple[str, ...]]]:
    """Start a helper; yields it, what it says of the client, and which of FALLBACK are hollow.

    Its own ends of the pipes are closed here. Raises ClientUnsuitable, SudoRefused, HostileClient,
    ConnectionLost.
    """
    argv = session.command(*as_root(sudo), *shell.WORDS)
    reads, writes = ends.theirs
    with running(argv, name="helper", stdin=reads, stdout=writes, grace=5) as child:
        for end in ends.theirs:
            end.close()
        asked = time.time()
        greeting, hello = ends.ask(question([*paths, *FALLBACK]))
        if hello is None:
            raise _no_helper(session, child, greeting, sudo=sudo)
        facts, hollow = read(hello, len(paths), asked)
        yield Helper(child, session, ends.requests), facts, hollow


def send(requests: IO[bytes], data: bytes) -> None:
    """Write all of it, if the other end of the pipe still stands. Raises ConnectionLost.

    The engine has this pipe, too, and makes it one that does not block. Then a plain write may take
    a part only. And a client that reads nothing must not hold us.
    """
    rest, deadline = memoryview(data), time.monotonic() + ANSWER_SECONDS
    os.set_blocking(requests.fileno(), False)
    with contextlib.suppress(BrokenPipeError):  # ssh has ended, and its code says why
        while rest:
            left = max(0, deadline - time.monotonic())
            if not select.select([], [requests], [], left)[1]:
                raise ConnectionLost(f"the client takes no orders within {ANSWER_SECONDS:g} s")
            with contextlib.suppress(BlockingIOError):
                rest = rest[os.write(requests.fileno(), rest) :]


def answer_of(fd: int) -> tuple[bytes, bytes | None]:
    """What comes before the answer, and the answer. Raises HostileClient, ConnectionLost."""
    text, deadline = b"", time.monotonic() + ANSWER_SECONDS
    while True:
        greeting, mark, rest = text.partition(MARK)
        if mark and len(rest) >= wire.HEAD.size:
            try:
                kind, length = wire.head(rest)
            except wire.BadFrame as error:
                raise HostileClient(f"the client's first word: {error}") from None
            have = len(rest) - wire.HEAD.size
            if kind != wire.HELLO or have > length:
                raise HostileClient("the client's first word is no answer")
            if have == length:
                return greeting, rest[wire.HEAD.size :]
        elif len(text) > MAX_GREETING:
            raise HostileClient("the client's login shell says too much before our helper starts")
        if not select.select([fd], [], [], max(0, deadline - time.monotonic()))[0]:
            raise ConnectionLost(f"the client does not answer within {ANSWER_SECONDS:g} s")
        piece = os.read(fd, 1 << 16)
        if not piece:
            return text, None
        text += piece


def _no_helper(session: Session, child: Running, greeting: bytes, *, sudo: bool) -> BorgpullError:
    target = session.config.target
    if FORCED.encode() in greeting:
        return ClientUnsuitable(
            f"the key for {target} is limited to a command of its own",
            hint=f"only pipe works with it: borgpull pipe {target}",
        )
    try:
        code = child.wait(END_SECONDS)
    except CommandError:
        return ConnectionLost(f"{target} has closed its output, and does not end")
    said = child.stderr()
    if "borgpull-python" in said:
        return ClientUnsuitable(
            f"{target} has no python3 of version 3.6 or newer",
            hint=f"use pipe, which needs none: borgpull pipe {target}",
        )
    if not session.alive():
        return ConnectionLost(f"the connection to {target} broke during the run")
    done = Completed(code, greeting, said)
    return no_answer(session, done, sudo=sudo, instead="use sshfs")


def look(session: Session, paths: Sequence[str], *, sudo: bool) -> list[bool]:
    """Are the paths (absolute) on the client, or may they be? Raises ConnectionLost."""
    done = session.run(*as_root(sudo), *shell.WORDS, stdin=question(paths))
    _, _, rest = done.stdout.partition(MARK)
    return there(rest[wire.HEAD.size :], len(paths))


def python(session: Session) -> str:
    """The version of the Python that runs the helper there; "" if none does.

    Raises ConnectionLost.
    """
    done = session.run(*shell.WORDS, stdin=question([]))
    _, _, rest = done.stdout.partition(MARK)
    try:
        return ".".join(str(int(part)) for part in json.loads(rest[wire.HEAD.size :])["python"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _hex(path: str) -> str:
    return os.fsencode(path).hex()
