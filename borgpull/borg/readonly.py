"""`python3 -m borgpull.borg.readonly borg serve …`: stock `borg serve`, unable to write.

borg has no read-only server: with `--append-only` a client may still put, delete and commit, and
without a lock too. Here two walls stand around it, of which each is enough for what the other is
for: the calls that write are unknown to the server, and this process opens no file for writing and
changes no folder, as an audit hook (PEP 578) that nobody can take away again refuses it. The hook
is no sandbox for Python code, but whoever is at the other end has calls only, and no code here.
borg's own repairs, which reading may set off (borg 1.4.5, repository.py: replay_segments,
open_index), are refused alike.
"""

from __future__ import annotations

import errno
import mmap
import os
import sys
from typing import Any

# What `borg --bypass-lock extract` calls, and what else only reads (borg 1.4.5, remote.py).
READING = ("negotiate", "open", "load_key", "get", "list", "scan", "__len__")
# Names a file descriptor: memory that we share with who has started us.
COUNT_FD, COUNT_BYTES = "BORGPULL_COUNT_FD", 8
_WRITING_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Python's table of audit events: all that changes a file system or leaves this process.
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
    """Have what a class of repositories hands out counted in the memory behind `fd`."""
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
