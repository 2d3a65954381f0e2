"""Audit hooks (PEP 578) that refuse what writes. No code of this process can remove one.

They are no sandbox for Python code, but none comes from outside.
"""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Callable
from pathlib import Path
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

    def refuse(event: str, args: tuple[Any, ...]) -> None:
        for path in _changed(event, args):
            if isinstance(path, str | bytes | os.PathLike):
                found = _real(path, follow=event in _FOLLOWING)
                if found == real or found.startswith(f"{real}{os.sep}"):
                    raise _refused(path)

    return refuse


def _changed(event: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """What an event would change: paths, or descriptors."""
    if event == "open":
        return args[:1] if isinstance(args[2], int) and args[2] & _WRITING_FLAGS else ()
    if event == "os.symlink":
        return args[1:2]  # the first one is what the symlink says
    if event in _ONE_NAME or event in _FOLLOWING:
        return args[:1]
    return args[:2] if event in _TWO_NAMES else ()


def _refused(what: Any) -> OSError:
    return OSError(errno.EROFS, os.strerror(errno.EROFS), str(what))


def _real(path: str | bytes | os.PathLike[Any], *, follow: bool) -> str:
    whole = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - it follows no link
    folder, name = os.path.split(whole)
    found = os.path.join(_real_folder(folder), name)
    return os.path.realpath(found) if follow and Path(found).is_symlink() else found


@functools.lru_cache(1000)
def _real_folder(folder: str) -> str:
    """borg's folders are the same again and again, and an extract has many files in each."""
    return os.path.realpath(folder)
