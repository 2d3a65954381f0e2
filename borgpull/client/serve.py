"""`borg serve` on this side, for one repository, and a unix socket that leads to it."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

from borgpull.borg.command import Borg
from borgpull.errors import BorgFailed
from borgpull.process import Running, running

LISTEN_SECONDS = 10.0
# socat copies 8 KiB at a time by default; borg's messages are megabytes.
BUFFER = "131072"


def serve(server: Borg) -> list[str]:
    """`borg serve` for this one repository, where nothing can be deleted for good."""
    repository = str(server.repository)
    return ["borg", "serve", "--append-only", "--restrict-to-repository", repository]


@contextlib.contextmanager
def listening(server: Borg, folder: Path, socket: Path, *, fork: bool = False) -> Iterator[Running]:
    """A `borg serve` for the first who connects, or with `fork` one for each. Raises BorgFailed."""
    script = folder / "serve.sh"  # socat's EXEC splits at blanks and knows no quotes
    # Half a second after the client's end, or when it is stopped, socat sends SIGTERM to what it
    # has started. borg could leave its lock; so the shell takes it. The end of its input ends borg.
    script.write_text(f"trap '' TERM\n{shlex.join(serve(server))}\nexit $?\n")
    argv = ["socat", "-b", BUFFER, f"UNIX-LISTEN:{socket},mode=600,unlink-early" + ",fork" * fork]
    argv.append(f"EXEC:sh {script}")
    with running(argv, name="socat", env=server.env(None)) as child:
        deadline = time.monotonic() + LISTEN_SECONDS
        while not socket.exists():
            if not child.alive() or time.monotonic() > deadline:
                raise BorgFailed(f"socat does not listen: {child.stderr()[-300:]}")
            time.sleep(0.01)
        yield child
