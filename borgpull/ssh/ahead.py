"""A connection that is begun before the rest of a job's code is loaded: both take a while.

Whoever connects by the same folder takes it. One that nobody takes ends with its block.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from borgpull.errors import BorgpullError
from borgpull.jobs import Backup
from borgpull.process import CommandError
from borgpull.ssh import route
from borgpull.ssh.session import Session, await_login, begun, connected

# By the private folder of its job: the connection, and what ends it.
_ahead: dict[Path, tuple[Session, Callable[[], None]]] = {}


@contextlib.contextmanager
def ahead(job: Backup, folder: Path) -> Iterator[None]:
    """Begin the connection to the job's client. If that fails, `to_client` will tell why."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(BorgpullError, CommandError, OSError):
            config = route.to_client(job.access, job.places, job.client, folder)
            stack.callback(_ahead.pop, folder, None)
            _ahead[folder] = stack.enter_context(begun(config, folder)), stack.close
        yield


@contextlib.contextmanager
def to_client(job: Backup, folder: Path) -> Iterator[Session]:
    """The one that was begun, once it has logged in, else a new one. It ends with this block.

    Raises ConfigError, UsageError, and as `await_login`.
    """
    found, end = _ahead.pop(folder, (None, lambda: None))
    with contextlib.ExitStack() as stack:
        stack.callback(end)
        if found is not None and found.alive():  # it may have waited long, for a lock say
            await_login(found)
            yield found
            return
    config = route.to_client(job.access, job.places, job.client, folder)
    with connected(config, folder) as session:
        yield session
