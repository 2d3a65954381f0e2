"""`python3 -m borgpull.borg.inside.readonly borg serve …`: stock `borg serve`, unable to write.

borg has no read-only server: even with `--append-only`, a client may put, delete and commit, and
needs no lock for that. Two independent barriers prevent writing here:

- The server does not know the calls that write.
- An audit hook (PEP 578), which cannot be removed, refuses to open a file for writing or to change
  a folder. The client can only send calls, no code.

Reading itself may need an index that is not there yet, and borg would write it. It stays in memory
(`replayed.py`).
"""

from __future__ import annotations

import mmap
import os
import sys
from typing import Any

from borgpull.borg.inside import refusing, replayed

# The calls of `borg --bypass-lock extract`, and others that only read (borg 1.4.5, remote.py).
READING = ("negotiate", "open", "load_key", "get", "list", "scan", "__len__")
# The variable names a file descriptor: memory shared with the process that started this one.
COUNT_FD, COUNT_BYTES = "BORGPULL_COUNT_FD", 8


def count(repository: Any, fd: int) -> None:
    """Make a class of repositories count the chunks it hands out, in the memory behind `fd`."""
    number = memoryview(mmap.mmap(fd, COUNT_BYTES)).cast("Q")
    get = repository.get

    def counted(self: Any, id: Any) -> Any:
        number[0] += 1
        return get(self, id)

    repository.get = counted


def main() -> None:
    """Run the borg command line in our arguments. Does not return."""
    from borg.archiver import main as borg  # type: ignore[import-not-found]
    from borg.remote import RepositoryServer  # type: ignore[import-not-found]
    from borg.repository import Repository  # type: ignore[import-not-found]

    RepositoryServer.rpc_methods = READING
    replayed.use(Repository)
    if fd := os.environ.get(COUNT_FD):
        count(Repository, int(fd))
    sys.argv = sys.argv[1:]
    sys.addaudithook(refusing.refuse_writing)
    borg()


if __name__ == "__main__":
    main()
