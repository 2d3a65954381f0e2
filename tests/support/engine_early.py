"""In a container of our image: engines of `stream` that open a repository before their orders.

`python3 -m tests.support.engine_early all` prints what became of them as JSON.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from borgpull.borg import repository, streaming
from borgpull.borg.command import Borg
from borgpull.secrets import Secret
from tests.support.waiting import wait_until

BASE = Path("/tmp/engine-early")  # in the container: whoever imports this makes nothing
LOCK = "lock.exclusive"


class Failed(Exception):
    """What a job fails with before it gives its orders."""


def borg() -> Borg:
    """With a repository, whose cache is there."""
    BASE.mkdir()
    made = Borg(
        client="c",
        repository=BASE / "repo",
        base=BASE / "state",
        passphrase=Secret("secret"),
        host_id="borgpull-c-0123456789ab",
        lock_wait=300,
    )
    repository.init(made, "repokey-blake2")
    opened(made)
    return made


def opened(made: Borg) -> int:
    """The exit code of an engine that has opened all, and gets no orders."""
    with fails(made) as engine:
        assert engine.listing() == []
        wait_until(lambda: (cache(made) / LOCK).exists())
    return int(engine.child.popen.returncode)


def cache(made: Borg) -> Path:
    found = [path.parent for path in made.base.glob("cache/*/config")]
    return found[0] if found else made.base / "none"


@contextlib.contextmanager
def fails(made: Borg) -> Iterator[streaming.Engine]:
    """An engine whose job fails when the `with` ends."""
    with contextlib.suppress(Failed), streaming.started(made, BASE, early=True) as (engine, *_):
        yield engine
        raise Failed


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """By a borg of another machine: this one must wait for it."""
    (folder / LOCK).mkdir()
    (folder / LOCK / "another@1.5-0").touch()
    try:
        yield
    finally:
        shutil.rmtree(folder / LOCK)


def waits(made: Borg, folder: Path) -> tuple[int, list[str]]:
    """The exit code of an engine that waits for this lock, and all locks that are there then."""
    with locked(folder):
        with fails(made) as engine:
            wait_until(lambda: [*folder.glob(f"{LOCK}.*.tmp")])
        code = engine.child.popen.returncode
        return code, sorted(str(path.relative_to(BASE)) for path in BASE.rglob("lock.*/*"))


def ended(made: Borg) -> tuple[int, Any]:
    """The exit code of an engine that waits for no lock, and the list of archives that it tells."""
    hurried = made._replace(lock_wait=0)
    with locked(made.repository), streaming.started(hurried, BASE, early=True) as (engine, *_):
        told = engine.listing()
        return engine.child.wait(30), told


if __name__ == "__main__":
    one = borg()
    found = {
        "opened": opened(one),
        "repository": waits(one, one.repository),
        "cache": waits(one, cache(one)),
        "ended": ended(one),
        "after": opened(one),
    }
    print(json.dumps(found))
