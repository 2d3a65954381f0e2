"""`python3 -m borgpull.borg.inside.readonly borg serve …`: stock `borg serve`, unable to write.

borg has no read-only server: even with `--append-only`, a client may put, delete and commit, and
needs no lock for that. Two independent barriers prevent writing here:

- The server does not know the calls that write.
- An audit hook (PEP 578), which cannot be removed, refuses to open a file for writing or to change
  a folder. It is no sandbox for Python code, but the client can only send calls, no code.

borg's own repairs, which reading may start (borg 1.4.5, repository.py: replay_segments,
open_index), are refused, too.
"""

from __future__ import annotations

import errno
import mmap
import os
import sys
from typing import Any

# The calls of `borg --bypass-lock extract`, and others that only read (borg 1.4.5, remote.py).
READING = ("negotiate", "open", "load_key", "get", "list", "scan", "__len__")
# The variable names a file descriptor: memory shared with the process that started this one.
COUNT_FD, COUNT_BYTES = "BORGPULL_COUNT_FD", 8
_WRITING_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Events of Python's audit table that change a file system or reach beyond this process.
_REFUSED = {
    *("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"),
    *("os.chmod", "os.chown", "os.utime", "os.chflags", "os.setxattr", "os.removexattr"),
    *("os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "subprocess.Popen"),
    *("shutil.rmtree", "shutil.move", "tempfile.mkstemp", "tempfile.mkdtemp", "socket.connect"),
}


def refuse_writing(event: str, args: tuple[Any, ...]) -> None:
    """The audit hook. Raises OSError (EROFS)."""
    writing = event == "open" and isinstance(args[2], int) and args[2] & _WRITING_FLAGS
    if writing or event in _REFUSED:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(args[0]))


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
    if fd := os.environ.get(COUNT_FD):
        count(Repository, int(fd))
    sys.argv = sys.argv[1:]
    sys.addaudithook(refuse_writing)
    borg()


if __name__ == "__main__":
    main()
