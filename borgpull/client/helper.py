"""The helper of `stream` on a client: how it is started, and what it says of the client.

Its text goes by standard input to a Python there, which runs it from memory.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import time
import zlib
from collections.abc import Iterator, Sequence
from typing import IO, Any

from borgpull.borg.inside import wire
from borgpull.client import shell
from borgpull.client.ends import MARK, Ends, send
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
END_SECONDS = 30.0
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


def question(paths: Sequence[str], more: dict[str, object] | None = None) -> bytes:
    """The input with which a helper begins: it is asked for these paths (absolute)."""
    asked = {"paths": [_hex(path) for path in paths], **(more or {})}
    return _input(source().encode(), asked)


def plan_of(
    roots: Sequence[str], bars: dict[str, list[str | None]], more: dict[str, Any] | None = None
) -> dict[str, Any]:
    """What a helper is to list: the roots (absolute). `bars` is as `hello.bars` makes it.

    `more` is as `methods/reading.py` has it, or for another reader of ours in its place.
    """
    names = {
        _hex(path): [None if name is None else _hex(name) for name in named]
        for path, named in bars.items()
    }
    return {**(more or {}), "roots": [_hex(path) for path in roots], "bars": names}


def lane(call: str, number: int) -> bytes:
    """The input by which a channel is handed to the helper that answers to this call."""
    return _input(_text(FIRST).encode(), {"lane": call, "number": number})


def _input(text: bytes, question: dict[str, object]) -> bytes:
    asked = json.dumps(question).encode()
    return shell.line(_START, _BOOT) + b"%8d" % len(text) + text + asked + b"\n"


def beginning(plan: dict[str, Any] | None, paths: Sequence[str]) -> dict[str, object]:
    """What to ask for, too, if a helper may begin by a plan: it has no bars.

    The plan holds if no mount lies below the paths, by the words of mountinfo.
    """
    return {"plan": plan, "unless": [_below(path) for path in paths]} if plan else {}


class Helper:
    """A helper under way; it has answered the question."""

    names = True  # can the client tell the names of users?

    def __init__(
        self,
        child: Running,
        session: Session,
        requests: IO[bytes],
        begun: dict[str, Any] | None = None,
    ) -> None:
        """`begun` is the plan by which it has begun, if it has."""
        self._child, self._session, self._requests = child, session, requests
        self._begun = begun

    def go(
        self,
        roots: Sequence[str],
        bars: dict[str, list[str | None]],
        more: dict[str, Any] | None = None,
    ) -> None:
        """Let it list, as `plan_of` has it, if it has not begun. Raises ConnectionLost.

        Raises HostileClient if it has begun by another plan: it saw no mounts, and tells of some.
        """
        plan = plan_of(roots, bars, more)
        if self._begun is None:
            send(self._requests, json.dumps(plan).encode() + b"\n")
        elif plan != self._begun:
            raise HostileClient("the client has begun without a look at its mounts")

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


@contextlib.contextmanager
def started(
    session: Session,
    paths: Sequence[str],
    ends: Ends,
    *,
    sudo: bool,
    plan: dict[str, Any] | None = None,
) -> Iterator[tuple[Helper, Facts, tuple[str, ...]]]:
    """Start a helper; yields it, what it says of the client, and which of FALLBACK are hollow.

    By a `plan` without bars, it begins at once if no mount lies below the paths: then none can be
    left out. Its own ends of the pipes are closed here. Raises ClientUnsuitable, SudoRefused,
    HostileClient, ConnectionLost.
    """
    argv = session.command(*as_root(sudo), *shell.WORDS)
    reads, writes = ends.theirs
    with running(argv, name="helper", stdin=reads, stdout=writes, grace=5) as child:
        for end in ends.theirs:
            end.close()
        asked = time.time()
        asking = question([*paths, *FALLBACK], beginning(plan, paths))
        greeting, hello = ends.ask(asking)
        if hello is None:
            raise _no_helper(session, child, greeting, sudo=sudo)
        facts, hollow = read(hello, len(paths), asked)
        begun = plan if facts.begins else None
        yield Helper(child, session, ends.requests, begun), facts, hollow


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


def _below(path: str) -> str:
    """How mount points below a path begin in mountinfo (Linux, fs/proc_namespace.c: seq_path_root).

    In hexadecimal digits, as all paths.
    """
    start = os.fsencode(path).rstrip(b"/") + b"/"
    return re.sub(rb"[ \t\n\\]", lambda found: b"\\%03o" % found[0][0], start).hex()
