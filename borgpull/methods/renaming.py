"""The client's `borg rename`, which gives a verified archive its name.

Starting borg takes longer than the renaming. So `borg rename` starts when `borg create` has read
all files and begins to write its caches. Its `borg serve` on this side does nothing until the
archive is verified.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol, Self

from borgpull.borg import locks, messages, repository
from borgpull.borg.command import Borg, is_failure, plain_log
from borgpull.borg.create import LOG_LINES, Order
from borgpull.borg.serve import Gate, gate
from borgpull.errors import ConnectionLost
from borgpull.process import Running
from borgpull.ssh.session import Session, lost


class Start(Protocol):
    """A command of borg on the client under way; with `gate`, its `borg serve` is held back."""

    def __call__(
        self, command: str, *words: str, gate: Gate | None = None
    ) -> AbstractContextManager[Running]: ...


# A `borg rename` from one name to another.
Rename = Callable[..., AbstractContextManager[Running]]


class Renaming:
    """The renaming. On the way out it ends a process that it has started ahead."""

    def __init__(
        self, server: Borg, session: Session, rename: Rename | None, *, ahead: bool
    ) -> None:
        """`rename` takes the two names, and a `gate` if it can be started `ahead`.

        Without `rename`, this side's borg renames.
        """
        self._server, self._session, self._rename = server, session, rename
        self._ahead = ahead
        self._stack = contextlib.ExitStack()
        self._begun: tuple[tuple[str, str], Gate, Running] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def prepare(self, order: Order) -> None:
        """Start the renaming ahead, once, unless the name holds placeholders of borg."""
        names = (order.archive, order.final)
        if self._rename is None or not self._ahead or self._begun or order.dry_run:
            return
        if any("{" in name for name in names):
            return
        own = self._stack.enter_context(gate(self._server))
        child = self._stack.enter_context(self._rename(*names, gate=own))
        self._stack.callback(own.close)  # without this, its end would be awaited
        self._begun = names, own, child

    def opens_session(self) -> bool:
        """Will it open a session on the client? None that was started ahead waits there."""
        return self._rename is not None and (self._begun is None or not self._begun[2].alive())

    def __call__(self, old: str, new: str) -> None:
        """Raises ConnectionLost, borg's errors, VerificationFailed."""
        if self._rename is None:
            repository.rename(self._server, old, new)
            return
        with self._under_way(self._rename, old, new) as child:
            finish(child, self._server.client, self._session)
        locks.await_release(self._server)

    @contextlib.contextmanager
    def _under_way(self, rename: Rename, old: str, new: str) -> Iterator[Running]:
        """The renaming started ahead, if it still waits for these names; else a new one."""
        with self._stack:
            if self._begun is not None:
                names, own, child = self._begun
                if names == (old, new) and child.alive():
                    own.open()
                    yield child
                    return
        with rename(old, new) as child:
            yield child


def finish(child: Running, client: str, session: Session) -> None:
    """Wait for the end of a borg command. Raises ConnectionLost, borg's errors."""
    log: deque[str] = deque(maxlen=LOG_LINES)
    for item in child.lines():
        if item is not None:
            log.append(item[1].decode(errors="replace"))
    code = child.wait(60)
    if lost(session.alive, code):
        raise ConnectionLost(f"the connection to {client} broke during the run")
    if is_failure(code):
        raise messages.from_exit(code, plain_log("".join(log)), client)
