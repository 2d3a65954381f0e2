"""Audit hooks (PEP 578) that refuse what writes. No code of this process can remove one.

They are no sandbox for Python code, but none comes from outside.
"""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Callable
from typing import Any

Hook = Callable[[str, tuple[Any, ...]], None]
_WRITING_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Events of Python's audit table that change a file system: what is behind a symlink, or a name.
_FOLLOWING = {
    *("open", "os.truncate", "os.chmod", "os.chown", "os.utime", "os.chflags"),
    *("os.setxattr", "os.removexattr"),
}
_ONE_NAME = {
    *("os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"),
    *("tempfile.mkstemp", "tempfile.mkdtemp"),
}
_TWO_NAMES = {"os.rename", "os.link", "shutil.move"}
# Which of an event's arguments are changed. The first one of a symlink is what it says.
_CHANGED = {
    **dict.fromkeys(_FOLLOWING | _ONE_NAME, slice(1)),
    **dict.fromkeys(_TWO_NAMES, slice(2)),
    "os.symlink": slice(1, 2),
}
# Others that reach beyond this process.
_BEYOND = {
    *("os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "subprocess.Popen"),
    "socket.connect",
}


def refuse_writing(event: str, args: tuple[Any, ...]) -> None:
    """A hook that refuses all of it, anywhere. Raises OSError (EROFS)."""
    if _changed(event, args) or event in _BEYOND:
        raise _refused(args[0])


def below(folder: str) -> Hook:
    """A hook that refuses to change a folder, and whatever is below it. It raises OSError (EROFS).

    An open file was judged when it was opened, so events that name a descriptor pass.
    """
    real = os.path.realpath(folder)
    inner = f"{real}{os.sep}"
    # An extract has many files in each folder.
    real_folder = functools.lru_cache(1000)(os.path.realpath)

    def refuse(event: str, args: tuple[Any, ...]) -> None:
        for path in _changed(event, args):
            if isinstance(path, int) or path is None:
                continue
            before, _, name = os.fsdecode(path).rpartition(os.sep)
            if name in ("", ".", ".."):
                found = os.path.realpath(path)
            else:
                found = f"{real_folder(before or _start(path))}{os.sep}{name}"
                if event in _FOLLOWING and os.path.islink(found):  # noqa: PTH114 - of each file
                    found = os.path.realpath(found)
            if found == real or found.startswith(inner):
                raise _refused(path)
        if event == "os.chdir":
            real_folder.cache_clear()

    return refuse


def _start(path: Any) -> str:
    """The folder of a path with no slash but at its begin."""
    return os.sep if os.fsdecode(path).startswith(os.sep) else os.curdir


def _changed(event: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """What an event would change: paths, or descriptors."""
    if event not in _CHANGED:
        return ()
    if event == "open" and not (isinstance(args[2], int) and args[2] & _WRITING_FLAGS):
        return ()
    return args[_CHANGED[event]]


def _refused(what: Any) -> OSError:
    return OSError(errno.EROFS, os.strerror(errno.EROFS), str(what))
