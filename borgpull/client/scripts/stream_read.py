"""The helper of `borgpull stream`, last part: the content of files, and what is asked.

The second line of the input is a plan, unless one came with the question and holds. From then on,
the input is requests (`borg/inside/channel.py`).
"""

import errno
import json
import os
import resource
import select
import stat
import struct
import sys
import time

from borgpull.client.scripts.stream_delta import (
    COMPARE,
    DEVICES,
    HASH,
    INODES,
    is_piece,
    parsed,
    rest,
    summed,
)
from borgpull.client.scripts.stream_hello import allowed, plans
from borgpull.client.scripts.stream_lanes import Lanes
from borgpull.client.scripts.stream_list import Node, Walk, files
from borgpull.client.scripts.stream_look import (
    AGAIN,
    BEGIN,
    BYE,
    DATA,
    FOLDER,
    MOVED,
    PLAIN,
    SAME,
    SMALL,
    STOP,
    WAY,
    WHOLE,
    attributes,
    entry,
    extra,
    look,
    opened,
    out,
    packed,
    widen,
)
from borgpull.client.scripts.stream_pack import use

MYPY = False
if MYPY:  # a Python before 3.9 could not read it
    from collections.abc import Callable

    Pieces = list[tuple[int, bytes]]

FILE, END = struct.Struct("<IBi"), struct.Struct("<BiqQ")
READ, DONE, PRUNE, FINISH, BRIEF = 0, 1, 2, 3, 6
# Entries, and bytes of them, that are listed before the other side is done with them. Before its
# first word, the helper lists fewer: that word may spare it from opening the others.
AHEAD, AHEAD_BYTES, ALONE = 32768, 8 << 20, 8192

# Seconds that one ctime lasts at most: a kernel's tick, or what an old file system counts by: whole
# seconds, or even ones (vfat).
TICK, COARSE = 0.01, 2

way = []  # type: list[tuple[Node, int]]


def reach(node: Node) -> int:
    """A descriptor of a folder, opened name by name from its root. Raises OSError."""
    if way and way[-1][0] is node:
        return way[-1][1]
    wanted = []
    at = node  # type: Node | None
    while at is not None:
        wanted.append(at)
        at = at.above
    wanted.reverse()
    same = 0
    while same < min(len(way), len(wanted)) and way[same][0] is wanted[same]:
        same += 1
    while len(way) > same:
        left, handle = way.pop()
        if left.above is not None:
            os.close(handle)
    for item in wanted[same:]:
        handle = item.handle if item.above is None else opened(item.name, FOLDER, way[-1][1])
        way.append((item, handle))
    return way[-1][1]


class Moved(Exception):
    """A file has become something else since it was listed."""


def send(number: int, pieces: "Pieces | None") -> None:
    """Answer one request for a file. It stays known until its turn is over.

    Without `pieces`, only its sum is wanted.
    """
    node, name, ctime, depth = files[number]
    try:
        folder = reach(node)
        try:
            handle = opened(name, PLAIN, folder)
        except OSError as error:
            if error.errno in MOVED:
                raise Moved from None
            raise
        try:
            content(number, handle, ctime, pieces)
        finally:
            os.close(handle)
    except Moved:
        send_again(number, node, name, depth)
    except OSError as error:
        fail(number, OPENING, error)


def send_again(number: int, node: Node, name: bytes, depth: int) -> None:
    """Tell what a file has become: a symlink, say."""
    here = os.open(b".", WAY)
    try:
        os.fchdir(reach(node))
        st, more, handle = look(name)
        if handle is not None:
            os.close(handle)
        if stat.S_ISREG(st.st_mode) or stat.S_ISDIR(st.st_mode):
            raise OSError(errno.ESTALE, "replaced")
        out.add(AGAIN, struct.pack("<I", number), entry(depth, name, st, more))
    except OSError as error:
        fail(number, OPENING, error)
    finally:
        os.fchdir(here)
        os.close(here)


OPENING, READING = 1, 2  # what has failed


def fail(number: int, stage: int, error: OSError) -> None:
    out.add(WHOLE, FILE.pack(number, stage, error.errno or errno.EIO))


def outlasts(ctime: int) -> bool:
    """Was a file changed in this very tick? Then wait until it is over.

    A further change in it would keep the ctime. Nobody would see that the content is another one,
    neither now nor in the next run.
    """
    at = ctime / 1e9
    left = at + (TICK if ctime % 10**9 else COARSE - at % COARSE) - time.time()
    if not 0 < left <= COARSE:
        return False  # it is old, or the clock of its disk is another one
    time.sleep(left)
    return True


def content(number: int, handle: int, ctime: "int | None", pieces: "Pieces | None") -> None:
    """Send an open file, with what fstat(2) says before and after; only what differs from pieces.

    Raises OSError, Moved.
    """
    st = os.fstat(handle)
    if not stat.S_ISREG(st.st_mode):
        raise Moved
    if outlasts(st.st_ctime_ns):
        st = os.fstat(handle)
    more = b""
    if st.st_ctime_ns != ctime:  # its attributes may be new, or were not looked at
        more = extra(b"n", b"", b"") + attributes(handle)
    head = FILE.pack(number, 0, 0) + packed(st) + struct.pack("<I", len(more)) + more
    if pieces is None:
        out.add(BEGIN, head)
        return finish(handle, lambda: summed(handle, st.st_size))
    blocks = []  # type: list[bytes]
    size = 0
    while size <= SMALL >= st.st_size:
        try:
            block = os.read(handle, SMALL + 1 - size if size else st.st_size + 1)
        except OSError as error:
            return fail(number, READING, error)
        if not block:
            after = os.fstat(handle)
            end = END.pack(0, 0, after.st_ctime_ns, after.st_size)
            if not is_piece(b"".join(blocks), pieces):
                return out.add(WHOLE, head, end, *blocks)
            out.add(BEGIN, head)
            out.add(SAME, struct.pack("<II", 0, 1))
            return out.add(STOP, end)
        blocks.append(block)
        size += len(block)
    widen(1)
    out.add(BEGIN, head)
    for block in blocks:
        out.add(DATA, block)
    known = [] if size else pieces
    return finish(handle, lambda: rest(handle, size, st.st_size, known))


def finish(handle: int, send_rest: "Callable[[], None]") -> None:
    """Send the rest of an answer, and how it ended."""
    try:
        send_rest()
        after = os.fstat(handle)
        return out.add(STOP, END.pack(0, 0, after.st_ctime_ns, after.st_size))
    except OSError as error:
        return out.add(STOP, END.pack(READING, error.errno or errno.EIO, 0, 0))


def order(walk: Walk, kind: int, number: int, numbers: "set[int]") -> None:
    """What to list, and how."""
    if kind == BRIEF:
        walk.brief.since = number * 10**9
    elif kind == INODES:
        walk.brief.odd = numbers
    elif kind == DEVICES:
        walk.brief.devices = numbers
    elif kind == PRUNE:
        walk.prune(number)


def requests(walk: Walk, received: bytes = b"") -> None:
    """Answer requests, and list on while there is none. Returns after the last one.

    The first ones are in `received`, if they have come.
    """
    poll = select.poll()
    poll.register(0, select.POLLIN)
    wanted = []  # type: list[tuple[int, Pieces | None]]
    most = ALONE if plans else AHEAD
    done, freed, more, answered, half, last = 0, 0, True, 0, b"", False
    heavy = []  # type: list[tuple[int, int]] # numbers of entries, and the weight up to them
    while True:
        may_list = more and walk.listed - done < most and walk.weight - freed < AHEAD_BYTES
        if not wanted and not may_list:
            out.flush()
        if received or poll.poll(0 if wanted or may_list or last else None):
            received = received or os.read(0, 65536)
            if not received:
                raise SystemExit(3)  # the other side is gone
            found, half = parsed(half + received)
            most, received = AHEAD, b""
            for kind, number, pieces in found:
                if kind in (READ, COMPARE, HASH):
                    wanted.append((number, None if kind == HASH else pieces))
                elif kind == DONE:
                    for old in range(done, number):
                        files.pop(old, None)
                    done = number
                    while heavy and heavy[0][0] <= done:
                        freed = heavy.pop(0)[1]
                elif kind == FINISH:
                    last = True
                else:
                    order(walk, kind, number, {one[0] for one in pieces})
        if wanted:
            for number, known in wanted[:64]:
                send(number, known)
            answered += len(wanted[:64])
            del wanted[:64]
        elif last:
            out.add(BYE, struct.pack("<QQ", walk.listed, answered))
            return out.flush()
        elif may_list:
            more = walk.step()
            if not heavy or heavy[-1][0] != walk.listed:
                heavy.append((walk.listed, walk.weight))
            out.flush()


def main() -> None:
    lines = sys.stdin.buffer
    orders = plans[0] if plans else json.loads(lines.readline().decode() or "{}")
    if not orders:
        return  # nothing more is wanted
    os.set_blocking(0, False)
    # The first requests may have come with the plan.
    received = lines.peek()  # type: ignore[union-attr]
    os.set_blocking(0, True)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = 4096 if hard == resource.RLIM_INFINITY else min(hard, 4096)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))  # one for each folder on the way
    walk = Walk(orders)
    if allowed is not None and not set(walk.roots) <= set(allowed):
        raise SystemExit(4)
    if orders.get("lanes"):
        out.write = out.send = Lanes(orders["lanes"]).write
    use(orders.get("compress"))
    requests(walk, received)


if __name__ == "__main__":
    main()
