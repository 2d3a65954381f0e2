"""The namespaces of one job: a mount namespace, and a user namespace if SYS_ADMIN is missing.

Every mount of the job lives in them. One `cat` holds them. It ends when our end of its pipe closes,
however this process ends. After the last process in them, the kernel removes every mount. Stock
util-linux does the work, so only argument lists are needed here.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from borgpull import capabilities
from borgpull.errors import NoFuseDevice, NoMountPrivilege
from borgpull.process import CommandError, Running, running

FULL_MAP = "0 0 4294967295"
START_SECONDS = 10.0


@dataclass(frozen=True)
class Namespace:
    """Live namespaces; `pid` is their holder's."""

    pid: int
    user: bool

    def enter(self, *argv: str) -> list[str]:
        """The command line that runs `argv` in there as root. It dies with this process.

        nsenter's change of credentials clears the parent-death signal, so that is set afterwards.
        """
        user = ["--user"] if self.user else []
        die = ["setpriv", "--pdeathsig", "KILL", "--"]
        return ["nsenter", "--target", str(self.pid), *user, "--mount", "--", *die, *argv]

    def mounts(self) -> str:
        return Path(f"/proc/{self.pid}/mountinfo").read_text(errors="surrogateescape")


def has_sys_admin() -> bool:
    return capabilities.has(capabilities.SYS_ADMIN)


def require_fuse() -> None:
    """Raises NoFuseDevice."""
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        raise NoFuseDevice("this container has no /dev/fuse") from None
    except OSError as error:
        raise NoFuseDevice(f"/dev/fuse cannot be opened: {error.strerror}") from None


def require_all_ids() -> None:
    """Raises NoMountPrivilege if other owners would become 65534 (rootless engines)."""
    for kind in ("uid", "gid"):
        if Path(f"/proc/self/{kind}_map").read_text().split() != FULL_MAP.split():
            raise NoMountPrivilege(
                f"this container does not see all {kind}s: every other owner would become 65534",
                hint="run it on an engine that is not rootless, in a pod without hostUsers: false",
            )


@contextlib.contextmanager
def namespace() -> Iterator[Namespace]:
    """Make the namespaces of a job. Raises NoMountPrivilege, which names what is missing."""
    require_all_ids()
    user = not has_sys_admin()
    argv = ["unshare", *(["--user"] if user else []), "--mount", "--propagation", "private", "cat"]
    with running(argv, name="namespace", stdin=subprocess.PIPE, grace=1) as holder:
        assert holder.popen.stdin is not None
        with holder.popen.stdin as keep:
            _await_start(holder)
            if user:
                _map_all_ids(holder.popen.pid)
            yield Namespace(holder.popen.pid, user)
            keep.close()


def _await_start(holder: Running) -> None:
    """Wait until the holder, inside its namespaces, echoes a line."""
    assert holder.popen.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        os.write(holder.popen.stdin.fileno(), b"ready\n")
    for item in holder.lines(tick=START_SECONDS):
        if item is None:
            break
        if item == ("stdout", b"ready\n"):
            return
    raise NoMountPrivilege(f"this container may not make namespaces: {holder.stderr()[-200:]}")


def _map_all_ids(pid: int) -> None:
    """Map every id to itself.

    The kernel asks for CAP_SETUID and CAP_SETGID of the parent. Since Linux 5.12 it also asks for
    CAP_SETFCAP, because user 0 is among the ids (user_namespaces(7)).
    """
    for kind in ("uid", "gid"):
        try:
            Path(f"/proc/{pid}/{kind}_map").write_text(FULL_MAP + "\n")
        except OSError as error:
            raise NoMountPrivilege(
                f"this container may not map all {kind}s ({error.strerror}): "
                "foreign owners would be archived as 65534",
                hint="do not drop the capabilities SETUID, SETGID and SETFCAP, or add SYS_ADMIN",
            ) from None


def privilege_error(error: CommandError) -> NoMountPrivilege:
    """The NoMountPrivilege for a mount command that failed."""
    last = error.stderr.strip().splitlines()[-1:] or [str(error)]
    return NoMountPrivilege(f"this container may not mount: {last[0][-200:]}")
