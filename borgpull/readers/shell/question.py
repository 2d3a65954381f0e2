"""What the reader says of a client before it lists, as the helper's `hello` says it."""

from __future__ import annotations

import errno
import functools
from collections.abc import Sequence
from typing import Any

from borgpull.readers.child import BadAnswer
from borgpull.readers.sftp.question import CPU, GROUPS, MOUNTS, USERS, names
from borgpull.readers.shell.link import Answer, Link
from borgpull.readers.shell.tree import ERRNOS
from borgpull.readers.telling import Names


def ask(link: Link, paths: Sequence[bytes]) -> tuple[dict[str, Any], Names]:
    """The answer to the question, and the names of users. Raises BadAnswer, Ended."""
    texts: dict[str, bytes] = {}
    said: list[dict[str, Any]] = []

    def keep(name: str, answer: Answer) -> None:
        texts[name] = answer.text()

    link.ask("h", lambda answer: keep("", answer))
    for name in (MOUNTS, CPU, USERS, GROUPS):
        link.ask("t", functools.partial(keep, name), name.encode())
    for path in paths:
        link.ask("a", lambda answer: said.append(about(answer)), path)
    link.drain()
    machine = texts[""].decode(errors="replace").split("\n")
    if len(machine) < 3 or not (machine[0].isdigit() and machine[1].isdigit()):
        raise BadAnswer("it does not say what it is")
    answer = {
        "uid": int(machine[0]),
        "time": int(machine[1]),
        "machine": machine[2],
        "mounts": texts[MOUNTS].hex(),
        "cpu": texts[CPU][: 16 << 10].decode("ascii", "replace"),
        "names": bool(texts[USERS]),
        "paths": said,
    }
    return answer, (names(texts[USERS]), names(texts[GROUPS]))


def about(answer: Answer) -> dict[str, Any]:
    """What a path is. Raises BadAnswer, Ended."""
    if answer.word != "ok":
        return {"errno": ERRNOS.get(answer.word, errno.EIO)}
    text = answer.text()
    if text.startswith(b"link "):
        return {"link": text[5:].removesuffix(b"\n").hex()}
    if text in (b"plain", b"socket"):
        return {"plain": 1 + (text == b"socket")}
    return {"holds": "" if text == b"empty" else text.decode(errors="replace")}
