"""The helper of `borgpull stream`, second part: what this machine is, and what it shows.

The first line of the input is a question, and the answer a frame. Whoever answers has all that the
parts behind this one import: without one of these modules, another reader is taken.
"""

import errno
import json
import os
import stat
import struct
import sys
import time

from borgpull.client.scripts.stream_look import FOLDER, HELLO, opened, out

MYPY = False
if MYPY:
    import socket
    from typing import Any

# Those of the other parts that a Python may lack. hashlib takes 3 ms to load, so it is only found.
for name in ("zlib", "resource", "select", "hashlib"):
    if not any(finder.find_spec(name, None) for finder in sys.meta_path):
        raise ImportError(name)

MARK = b"\nborgpull-stream 1 \n"  # a profile's greeting may come before

# A key may be limited to some paths (limited.py). None: it is not.
allowed = None  # type: list[bytes] | None
if sys.argv[0] == "borgpull-limited":
    allowed = [bytes.fromhex(text) for text in sys.argv[2:]]


def may(path: bytes) -> bool:
    """Is it a path of the key, or in one? No symlink on the way leads elsewhere."""
    if allowed is None or path in allowed:
        return True
    for top in allowed:
        inside = path.startswith(top.rstrip(b"/") + b"/") and b".." not in path.split(b"/")
        real = os.path.realpath(top).rstrip(b"/") + b"/"
        if inside and (os.path.realpath(os.path.dirname(path)) + b"/").startswith(real):
            return True
    return False


def holds(path: bytes) -> str:
    """Does a folder hold anything that is saved? "" if it is empty; sockets are not saved."""
    found = ""
    handle = opened(path, FOLDER)  # its time of access stays
    try:
        names = os.scandir(handle) if os.scandir in os.supports_fd else os.listdir(handle)
        for item in names:  # a folder may be huge, so it is not read to its end
            name = item if isinstance(item, str) else item.name
            if not stat.S_ISSOCK(os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode):
                return "something"
            found = "sockets"
    finally:
        os.close(handle)
    return found


def about(path: bytes) -> "dict[str, object]":
    """What a path is. `errno` if it is not there."""
    if not may(path):
        return {"errno": errno.EACCES}
    try:
        mode = os.lstat(path).st_mode
    except OSError as error:
        return {"errno": error.errno}
    if stat.S_ISLNK(mode):
        # Where the links of its way lead is not for a key with a limit.
        to = os.path.realpath(path) if allowed is None else os.readlink(path)  # noqa: PTH115
        return {"link": to.hex()}
    if not stat.S_ISDIR(mode):
        return {"plain": 1 + stat.S_ISSOCK(mode)}
    try:
        return {"holds": holds(path)}
    except OSError:  # the listing will tell
        return {"holds": "something"}


def text(name: str, limit: int) -> bytes:
    """A file of /proc, or nothing."""
    try:
        with open(name, "rb") as file:
            return file.read(limit)
    except OSError:
        return b""


def proc(name: str, limit: int) -> str:
    return text("/proc/" + name, limit).decode("ascii", "replace")


plans = []  # type: list[dict[str, Any]] # the one that came with the question, if it holds


def hello(question: "dict[str, Any]") -> None:
    """Answer the question: what this machine is, and each path.

    It may have a plan, for a machine without mounts below `unless` (as the kernel writes them).
    """
    paths = [bytes.fromhex(path) for path in question["paths"]]
    below = tuple(map(bytes.fromhex, question.get("unless", ())))
    mounts = text("/proc/self/mountinfo", 8 << 20)
    points = [point for line in mounts.splitlines() for point in line.split(b" ", 5)[4:5]]
    if below and points and not any(point.startswith(below) for point in points):
        plans.append(question["plan"])
    uname = os.uname()
    out.parts.append(MARK)
    answer = {
        "python": list(sys.version_info[:3]),
        "machine": uname.sysname + " " + uname.machine,
        "uid": os.geteuid(),
        "release": uname.release,
        "view": [proc("self/uid_map", 4096), proc("self/status", 4096)],
        "time": int(time.time()),
        "mounts": mounts.hex(),
        "cpu": proc("cpuinfo", 16 << 10),
        "paths": [about(path) for path in paths],
        "begins": bool(plans),
    }
    if allowed is not None:
        answer["limited"] = [path.hex() for path in allowed]
        answer["same"] = sys.argv[1] == "same"
    out.add(HELLO, json.dumps(answer).encode())
    out.flush()


def is_ours(link: "socket.socket") -> bool:
    """Is the other side of it a process of our user?"""
    from socket import SO_PEERCRED, SOL_SOCKET

    _, uid, _ = struct.unpack("3i", link.getsockopt(SOL_SOCKET, SO_PEERCRED, 12))
    return bool(uid == os.geteuid())


def lane(call: str, number: int) -> None:
    """Hand this channel to a helper, and wait for the end of it or of the input.

    `call` is the name of the helper's socket, and the word that only its lanes know.
    """
    import select
    import socket

    name, word = call[:32], call[32:].encode()
    sys.stdout.write("\nborgpull-lane " + name + "\n")
    sys.stdout.flush()
    link = socket.socket(socket.AF_UNIX)
    link.connect("\0borgpull-" + name)
    if is_ours(link):
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", 1))
        link.sendmsg([bytes([number]) + word], [rights])
        poll = select.poll()
        poll.register(0, select.POLLIN)
        poll.register(link, select.POLLIN)
        poll.poll()


def main() -> None:
    question = json.loads(sys.stdin.buffer.readline().decode())
    if "lane" in question:
        lane(question["lane"], question["number"])
        raise SystemExit
    hello(question)


if __name__ == "__main__":
    main()
