"""What must be so before a drill restores anything. Nothing is written here."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path

from borgpull import capabilities
from borgpull.errors import NotProved

# To restore all that an archive has.
_NEEDED = {
    "CHOWN": capabilities.CHOWN,
    "DAC_OVERRIDE": capabilities.DAC_OVERRIDE,
    "FOWNER": capabilities.FOWNER,
    "FSETID": capabilities.FSETID,
    "MKNOD": capabilities.MKNOD,
    "SETFCAP": capabilities.SETFCAP,
}
# Reserved for documentation (RFC 5737, RFC 3849): nobody answers, and nothing of ours is there.
_OUTSIDE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
_ROOM = 1.1  # for what a file system needs beside the content
_BLOCK = 4096  # bytes, which a file of a few bytes takes


def require_able() -> None:
    """Raises NotProved if this process may not restore owners, devices or capabilities."""
    lacking = [name for name, bit in _NEEDED.items() if not capabilities.has(bit)]
    if os.geteuid() != 0 or lacking:
        need = " ".join(f"--cap-add {name}" for name in lacking)
        raise NotProved(
            "a drill must be root in its container, to restore owners and modes",
            hint=f"run it without --user; {need or 'with the usual capabilities'}",
        )


def require_scratch(path: Path) -> None:
    """Raises NotProved if there is no empty folder to restore to."""
    try:
        there = os.listdir(path)
    except OSError as error:
        raise NotProved(
            f"there is no folder {path} to restore to: {error.strerror}",
            hint="give the container a volume or a tmpfs there",
        ) from None
    if there:
        raise NotProved(f"{path} is not empty: {sorted(there)[0]}", hint="give it an empty one")


def ways_out() -> list[str]:
    """By which a program here could reach another machine; none if it is isolated.

    Only a process without any route is asked to connect, so nothing ever leaves the machine.
    """
    names = [name for _, name in socket.if_nameindex() if name != "lo"]
    found = [f"the interface {name}" for name in names if _is_up(name)]
    if found:
        return found
    for family, address in _OUTSIDE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as one:
                one.connect((address, 9))  # of UDP: it only looks for a route
        except OSError:
            continue
        found.append(f"a route to {address}")
    return found


def _is_up(name: str) -> bool:
    """Some kernels give every network namespace tunnels of their own, which are down."""
    try:
        return bool(int(Path(f"/sys/class/net/{name}/flags").read_text(), 16) & 1)
    except (OSError, ValueError):
        return True


def require_isolated(out: Sequence[str], *, allowed: bool) -> None:
    """Raises NotProved if there is a way out that was not allowed."""
    if out and not allowed:
        raise NotProved(
            f"this container is not isolated: {out[0]}",
            hint="docker run --network none; or allow it by --allow-network",
        )


def require_room(path: Path, size: int, entries: int) -> None:
    """`size` is the content in bytes. Raises NotProved."""
    there = os.statvfs(path)
    needed = int(size * _ROOM) + entries * _BLOCK // 2
    free = there.f_bavail * there.f_frsize
    if needed > free:
        raise NotProved(
            f"{path} has {free} bytes free, {needed} are needed",
            hint="give the drill a larger volume there, or a smaller --sample",
        )
    if there.f_files and entries + 16 > there.f_favail:
        raise NotProved(f"{path} has {there.f_favail} inodes free, {entries + 16} are needed")
