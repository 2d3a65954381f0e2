"""What the readers have in common that run here, as a child between the engine and ssh."""

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Callable
from typing import Any

from borgpull.borg.inside import wire
from borgpull.client.scripts.stream_hello import MARK
from borgpull.client.scripts.stream_look import BYE, HELLO, Output
from borgpull.jail.clientwalk import WalkBroken
from borgpull.jail.wanted import Plan

# Exit codes of a child.
HOSTILE, CUT, NOT_THERE, NO_WALK, NO_TOOLS = 200, 201, 202, 203, 204


class BadAnswer(Exception):
    """The other side sends what neither a script of ours nor an SFTP server sends."""


class Ended(Exception):
    """The other side, or the connection to it, has ended too early, or says nothing."""


_CODES: dict[type[Exception], int] = {BadAnswer: HOSTILE, Ended: CUT, WalkBroken: NO_WALK}


def code_of(program: Callable[[], object]) -> int:
    """Run it; returns an exit code. What the other side has done goes to standard error."""
    try:
        program()
    except BrokenPipeError:
        return CUT
    except (BadAnswer, Ended, WalkBroken) as error:
        sys.stderr.write(f"{error}\n")
        return _CODES[type(error)]
    return 0


def bye(out: Output, listed: int, answered: int) -> None:
    """The last word: how many entries and answers there were."""
    out.add(BYE, struct.pack("<QQ", listed, answered))
    out.flush()


class Orders:
    """What a plan says: where to begin, what is left out, and what is to be compared."""

    def __init__(self, text: bytes) -> None:
        found: dict[str, Any] = json.loads(text)
        self.roots = [bytes.fromhex(path) for path in found["roots"]]
        self.bars = {
            bytes.fromhex(path): [None if name is None else bytes.fromhex(name) for name in names]
            for path, names in found["bars"].items()
        }
        self.check = Plan(**found["check"])


def introduce(source: Input, out: Output, answer: dict[str, Any]) -> Orders | None:
    """Answer the question; returns the plan that follows. None if nothing more is wanted."""
    out.parts.append(MARK)
    out.add(HELLO, json.dumps(answer).encode())
    out.flush()
    plan = source.line()
    return Orders(plan) if plan else None


class Input:
    """Standard input: lines first, then requests."""

    def __init__(self) -> None:
        self._rest = b""

    def line(self) -> bytes:
        """A line without its end; empty at the end of the input."""
        while b"\n" not in self._rest:
            piece = os.read(0, 1 << 16)
            if not piece:
                return b""
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def asked(self) -> list[bytes]:
        """The paths of the question, which is the first line."""
        return [bytes.fromhex(path) for path in json.loads(self.line())["paths"]]

    def requests(self) -> list[tuple[int, int]]:
        """Those that have come, of which there must be a part. Raises Ended."""
        piece = os.read(0, 1 << 16)
        if not piece:
            raise Ended("the engine has ended")
        self._rest += piece
        whole = len(self._rest) // wire.REQUEST.size * wire.REQUEST.size
        found = list(wire.REQUEST.iter_unpack(self._rest[:whole]))
        self._rest = self._rest[whole:]
        return found
