"""In a container of our image: the engine of `stream` with a repository, and a client that is a
script of frames. `python3 -m tests.support.engine_alone CASE` prints what it found as JSON.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import select
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from borgpull.borg.inside import selftest
from tests.support.evil_helper import (
    BEGIN,
    BYE,
    DATA,
    DIR,
    FILE,
    LISTED,
    SAME,
    STOP,
    SUM,
    WHOLE,
    frame,
    rows,
)

BASE = Path("/tmp/engine-alone")  # in the container: whoever imports this makes nothing
ENV = {
    **os.environ,
    "BORG_BASE_DIR": f"{BASE}/base",
    "BORG_REPO": f"{BASE}/repo",
    "BORG_PASSPHRASE": "secret",
    "BORG_EXIT_CODES": "modern",
    "LC_ALL": "C.UTF-8",
}
SECOND = 10**9
OLD = 10**18
FIFO = 0o10644
BIG = 12 << 20
REFERENCES = """
import pathlib, sys
from borg.hashindex import ChunkIndex
path, = pathlib.Path(sys.argv[1]).glob("*/chunks")
print(sorted(entry.refcount for _, entry in ChunkIndex.read(str(path)).iteritems()))
"""


def stat(mode: int, size: int = 0, *, ino: int = 7, links: int = 1, time: int = OLD) -> bytes:
    return struct.pack("<IIIIQQQqqQ", mode, 0, 0, links, 1, ino, size, time, time, 0)


def row(depth: int, name: bytes, st: bytes, more: bytes = b"") -> bytes:
    return struct.pack("<HHI", depth, len(name), len(more)) + st + name + more


def extra(tag: bytes, key: bytes, value: bytes) -> bytes:
    return struct.pack("<cHI", tag, len(key), len(value)) + key + value


def whole(number: int, st: bytes, data: bytes, time: int = OLD) -> bytes:
    end = struct.pack("<BiqQ", 0, 0, time, len(data))
    found: bytes = frame(WHOLE, struct.pack("<IBi", number, 0, 0) + st + bytes(4) + end + data)
    return found


def listed(count: int) -> bytes:
    found: bytes = frame(LISTED, struct.pack("<Q", count))
    return found


def bye(entries: int, answers: int) -> bytes:
    found: bytes = frame(BYE, struct.pack("<QQ", entries, answers))
    return found


TOP = row(0, b"r", stat(DIR, ino=2))


# The client always looks by the same rights. Its attributes have a ctime.
VIEW = {"by": "root", "devices": {"0:1": "ext4 rw"}}


class File(NamedTuple):
    """A regular file in the folder `r`."""

    name: str
    ino: int
    content: bytes
    time: int = OLD
    answered: bool = True  # does the engine ask for its content?


def frames_of(*files: File) -> list[bytes]:
    """All frames of a run in which the client has these files; the listing is the first two."""
    sts = [stat(FILE, len(one.content), ino=one.ino, time=one.time) for one in files]
    named = [row(1, one.name.encode(), st) for one, st in zip(files, sts, strict=True)]
    answers = [
        whole(number, st, one.content, one.time)
        for number, (one, st) in enumerate(zip(files, sts, strict=True), 1)
        if one.answered
    ]
    count = len(files) + 1
    return [rows(TOP, *named), listed(count), *answers, bye(count, len(answers))]


class Engine:
    """An engine under way, whose client sends `frames`; a number among them is a time to sleep."""

    def __init__(
        self,
        archive: str,
        frames: Iterable[bytes | float],
        *options: str,
        compares: bool = False,
        reread: dict[str, Any] | None = None,
        read_back: int = 64,
        began: int = 0,
        manifest: dict[str, Any] | None = None,
        program: Sequence[str] = ("-m", "borgpull.borg.inside.stream"),
        unseen: int | None = None,
    ) -> None:
        answers, self._feed = os.pipe()
        self.requests, requests = os.pipe()
        self.archive = archive
        self.child = subprocess.Popen(
            [
                sys.executable,
                "-P",
                *program,
                str(answers),
                str(requests),
            ],
            env=ENV,
            pass_fds=(answers, requests),
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        os.close(answers)
        os.close(requests)
        words = ["borg", "--log-json", "create", "--list", "--json", *options, f"::{archive}", "r"]
        orders: dict[str, Any] = {
            "roots": ["r"],
            "named": ["r"],
            "compares": compares,
            "began": began,
            "read_back": read_back,
            "reread": reread,
            "manifest": manifest,
            "rate": None,
            "may_skip": [],
            "unseen": unseen,
            "view": VIEW,
        }
        self._tell({"env": {"BORG_HOST_ID": "alone"}, "words": [], "marks": str(BASE)})
        self._tell({"argv": words, **orders})
        threading.Thread(target=self._send, args=(frames,), daemon=True).start()

    def _send(self, frames: Iterable[bytes | float]) -> None:
        for item in frames:
            if isinstance(item, float):
                time.sleep(item)
                continue
            try:
                self.send(item)
            except BrokenPipeError:
                return

    def send(self, text: bytes) -> None:
        """Raises BrokenPipeError if it has ended."""
        rest = memoryview(text)
        while rest:
            rest = rest[os.write(self._feed, rest) :]

    def await_taken(self) -> None:
        """Wait until it has read all that was sent."""
        while fcntl.ioctl(self._feed, termios.FIONREAD, bytes(4)) != bytes(4):
            if self.child.poll() is not None:
                return
            time.sleep(0.01)

    def _tell(self, message: dict[str, Any]) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(json.dumps(message).encode() + b"\n")
        self.child.stdin.flush()

    def end(self) -> tuple[int, str]:
        """Its exit code and all that it has said; the archive gets its name."""
        assert self.child.stderr is not None
        text = ""
        for line in self.child.stderr:
            text += line.decode()
            if line.startswith(b'{"type": "borgpull_read"'):
                with contextlib.suppress(BrokenPipeError):  # it has found damage, and ended
                    self._tell({"name": self.archive, "verified": True})
        return self.child.wait(), text

    def peak(self) -> int:
        """The largest memory that it had until it ended, in MiB; above 3,000 it is ended."""
        threading.Thread(target=self.child.communicate, daemon=True).start()
        threading.Thread(target=self._drain, daemon=True).start()
        found = 0
        while self.child.poll() is None:
            pages: list[str] = []
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                pages = Path(f"/proc/{self.child.pid}/statm").read_text().split()
            found = max(found, int(pages[1]) * 4 >> 10 if len(pages) > 1 else 0)
            if found > 3000:
                self.child.kill()
            time.sleep(0.05)
        return found

    def _drain(self) -> None:
        while os.read(self.requests, 1 << 16):
            pass

    def asked(self) -> list[int]:
        """The files that it asks for, until it asks for no more."""
        text, patience = b"", 60.0  # on a busy machine it takes long to start
        while select.select([self.requests], [], [], patience)[0]:
            text, patience = text + os.read(self.requests, 1 << 16), 3.0
        self.child.kill()
        return [number for kind, number in struct.iter_unpack("<BI", text) if kind == 0]


def borg(*words: str) -> str:
    done = subprocess.run(["borg", *words], env=ENV, capture_output=True, text=True, check=True)
    return done.stdout


def check() -> int:
    """The exit code of a borg that reads and verifies all that the repository has."""
    argv = ["borg", "check", "--verify-data"]
    return subprocess.run(argv, env=ENV, capture_output=True, check=False).returncode


def contents(archive: str) -> dict[str, list[str]]:
    """What each name is in an archive: its type, what it refers to, and its size."""
    text = borg("list", "--format", "{path}|{type}|{source}|{size}{NL}", f"::{archive}")
    return {line.split("|")[0]: line.split("|")[1:] for line in text.splitlines()}


def run(frames: Iterable[bytes | float], *options: str) -> dict[str, Any]:
    code, text = Engine("x", frames, *options).end()
    return {"code": code, "said": text, "items": contents("x") if code < 200 else {}}


def reused() -> dict[str, Any]:
    """A deleted file's inode becomes another file's, while both have two names."""
    one = stat(FILE, 5, ino=9, links=2)
    two = stat(FILE, 6, ino=9, links=2, time=OLD + SECOND)
    names = rows(TOP, row(1, b"a", one), row(1, b"b", two), row(1, b"c", one))
    second = whole(2, two, b"second", OLD + SECOND)
    return run([names, listed(4), whole(1, one, b"first"), second, bye(4, 2)])


def refused() -> dict[str, Any]:
    """The attributes of a file cannot be listed by its first name, but by its second one."""
    st, bad = stat(FILE, 5, ino=9, links=2), extra(b"e", b"", b"5")
    names = rows(TOP, row(1, b"a", st, bad), row(1, b"b", st))
    return run([names, listed(3), whole(1, st, b"first"), whole(2, st, b"first"), bye(3, 2)])


def moved() -> dict[str, Any]:
    """A file's first name is gone. It is the name of an entry further down now."""
    st, other, plain = (stat(FILE, 5, ino=ino, links=3) for ino in (9, 10, 11))
    entries = ((b"p", other), (b"q", other), (b"a", st), (b"b", st), (b"x", plain))
    names = rows(TOP, *(row(1, name, of) for name, of in entries))
    # q is asked for once p has failed, and all behind it waits. So the answer for x comes before
    # the turn of b.
    frames = [names, listed(6), _gone(1), _gone(3), whole(5, st, b"first")]
    return run([*frames, whole(2, other, b"other"), whole(4, st, b"first"), bye(6, 5)])


def _gone(number: int) -> bytes:
    found: bytes = frame(WHOLE, struct.pack("<IBi", number, 1, 2))
    return found


def cut() -> dict[str, Any]:
    """A large file cannot be read to its end, and a checkpoint has a part of it."""
    dice = random.Random(1)
    pieces = [dice.randbytes(1 << 20) for _ in range(12)]
    st, size = stat(FILE, 12 << 20, ino=9), 12 << 20
    frames: list[bytes | float] = [rows(TOP, row(1, b"a", st)), listed(2)]
    frames.append(frame(BEGIN, struct.pack("<IBi", 1, 0, 0) + st + bytes(4)))
    for piece in pieces:
        frames += [frame(DATA, piece), 0.3]
    frames += [frame(STOP, struct.pack("<BiqQ", 2, 5, OLD, size)), bye(2, 1)]
    found = run(frames, "--checkpoint-interval", "1")
    found["references"] = [_references()]
    borg("delete", "--cache-only")
    borg("info", "::x")
    found["references"].append(_references())
    return found


def _references() -> str:
    argv = [sys.executable, "-c", REFERENCES, f"{BASE}/base/.cache/borg"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def newest() -> dict[str, Any]:
    """A checkpoint is made before anything is read. The file that is read then is the newest."""
    st, newer = stat(FILE, 5, ino=9), stat(FILE, 5, ino=10, time=OLD + SECOND)
    late = OLD + 2 * SECOND
    latest = stat(FILE, 5, ino=11, time=late)
    both = rows(TOP, row(1, b"a", st), row(1, b"z", latest))
    frames = [both, listed(3), whole(1, st, b"first"), whole(2, latest, b"later", late), bye(3, 2)]
    assert Engine("before", frames).end()[0] == 0
    later: list[bytes | float] = [rows(TOP), 6.0, rows(row(1, b"a", st)), rows(row(1, b"b", newer))]
    later += [listed(3), whole(2, newer, b"newer", OLD + SECOND), bye(3, 1)]
    found = run(later, "--checkpoint-interval", "1")
    names = rows(TOP, row(1, b"a", st), row(1, b"b", newer))
    return {**found, "asked": Engine("after", [names, listed(3)]).asked()}


def unseen() -> dict[str, Any]:
    """Files that may change unseen, by a reader that cannot wait: those of the run, and those whose
    time may be that of a whole second."""
    since = OLD + 10 * SECOND
    times = {b"a": OLD, b"b": since + 5, b"c": since - SECOND, b"d": since - SECOND + 5}
    times |= {b"e": since - SECOND // 2 + 5, b"z": since + 9 * SECOND}
    sts = [stat(FILE, 5, ino=9 + at, time=time) for at, time in enumerate(times.values())]
    names = rows(TOP, *(row(1, name, st) for name, st in zip(times, sts, strict=True)))
    frames = [names, listed(7)]
    for number, (st, when) in enumerate(zip(sts, times.values(), strict=True), 1):
        frames.append(whole(number, st, b"%05d" % number, when))
    code, text = Engine("x", [*frames, bye(7, 6)], unseen=since).end()
    asked = Engine("after", [names, listed(7)]).asked()
    return {"code": code, "said": text, "asked": asked}


def as_borg_packs_them() -> int:
    """The number of entries in the files cache; 0 if borg would have packed one in another way."""
    from borg.helpers import msgpack  # type: ignore[import-not-found]

    (path,) = (BASE / "base").glob(".cache/borg/*/files*")
    unpacker = msgpack.mp_Unpacker(use_list=True, raw=True)
    unpacker.feed(path.read_bytes())
    rows = list(unpacker)
    packer = msgpack.mp_Packer(use_bin_type=False)
    return len(rows) * (b"".join(map(packer.pack, rows)) == path.read_bytes())


def new() -> dict[str, Any]:
    """Files that nothing is known of, and answers that are as they were listed, or are not."""
    texts = {b"%02d" % n: b"%d" % n * (n * 700) for n in range(30)}  # the first one is empty
    texts[b"30"] = texts[b"29"]
    sts = {name: stat(FILE, len(text), ino=100 + int(name)) for name, text in texts.items()}
    for name, inode in ((b"02", 1 << 32), (b"03", (1 << 63) + 5), (b"04", 1)):
        sts[name] = stat(FILE, len(texts[name]), ino=inode)
    names = [row(1, name, st) for name, st in sts.items()]
    names.insert(5, row(1, b"e", stat(DIR, ino=50)))
    found = {name: number for number, name in enumerate([*sts], 1)}
    found = {name: number + (number > 5) for name, number in found.items()}
    late = OLD + SECOND
    newer = stat(FILE, len(texts[b"07"]), ino=107, time=late)  # since it was listed
    answers = {name: whole(found[name], st, texts[name]) for name, st in sts.items()}
    answers[b"07"] = whole(found[b"07"], newer, texts[b"07"], late)
    answers[b"11"] = whole(found[b"11"], sts[b"11"], texts[b"11"], late)  # while it was read
    answers[b"13"] = whole(found[b"13"], sts[b"13"], texts[b"13"][:-1])
    answers[b"17"] = _gone(found[b"17"])
    last = len(found) + 2
    latest = stat(FILE, 5, ino=99, time=late + SECOND)
    frames = [rows(TOP, *names, row(1, b"z", latest)), listed(last + 1), *answers.values()]
    frames += [whole(last, latest, b"later", late + SECOND), bye(last + 1, last - 1)]
    code, text = Engine("x", frames, "--filter", "AMCE").end()
    packed = as_borg_packs_them()
    checked = check()
    items = contents("x")
    kept = {path[2:]: borg("extract", "--stdout", "::x", path) for path in items if "/" in path}
    times = borg("list", "--format", "{path} {mtime}{NL}", "::x").splitlines()
    return {
        "code": code,
        "said": text,
        "items": items,
        "checked": checked,
        "as borg packs them": packed,
        "other": [n.decode() for n, text in texts.items() if kept.get(n.decode()) != text.decode()],
        "times": [line.split()[0] for line in times if line.split()[1:] != times[0].split()[1:]],
        "asked": Engine("after", frames[:2]).asked(),
    }


def compared(number: int, st: bytes, *parts: bytes, time: int = OLD, size: int = 0) -> bytes:
    """An answer to the request for what differs."""
    begin = frame(BEGIN, struct.pack("<IBi", number, 0, 0) + st + bytes(4))
    return b"".join((begin, *parts, frame(STOP, struct.pack("<BiqQ", 0, 0, time, size))))


def same(first: int, count: int) -> bytes:
    found: bytes = frame(SAME, struct.pack("<II", first, count))
    return found


def rot() -> dict[str, Any]:
    """A content changes, and neither time nor size with it."""
    one, two = stat(FILE, 5, ino=9), stat(FILE, 5, ino=10)
    late = stat(FILE, 5, ino=11, time=OLD + SECOND)
    names = [rows(TOP, row(1, b"a", one), row(1, b"b", two), row(1, b"z", late)), listed(4)]
    last = whole(3, late, b"later", OLD + SECOND)
    first = [*names, whole(1, one, b"hello"), whole(2, two, b"there"), last, bye(4, 3)]
    assert Engine("before", first, compares=True).end()[0] == 0
    order = {"key": "00" * 32, "share": 1, "run": 5}
    frames = [*names, compared(1, one, same(0, 1), size=5), whole(2, two, b"thexe")]
    frames += [compared(3, late, same(0, 1), time=OLD + SECOND, size=5), bye(4, 3)]
    code, text = Engine("x", frames, compares=True, reread=order).end()
    line = next(line for line in text.splitlines() if line.startswith('{"type": "borgpull_read"'))
    found = {name: borg("extract", "--stdout", "::x", f"r/{name}") for name in "abz"}
    return {"code": code, "reread": json.loads(line)["reread"], "contents": found}


def exact() -> dict[str, Any]:
    """A file of many chunks, as it comes and as it is read from the archive."""
    size = 4 * BIG
    content = random.Random(6).randbytes(size)
    st = stat(FILE, size, ino=9)
    blocks = [frame(DATA, content[at : at + (1 << 20)]) for at in range(0, size, 1 << 20)]
    frames = [rows(TOP, row(1, b"a", st)), listed(2), compared(1, st, *blocks, size=size)]
    code, text = Engine("x", [*frames, bye(2, 1)]).end()
    argv = ["borg", "extract", "--stdout", "::x", "r/a"]
    found = subprocess.run(argv, env=ENV, capture_output=True, check=False)
    return {"code": code, "said": text, "same": found.stdout == content}


def mixed() -> dict[str, Any]:
    """Short and long files behind each other. A short one waits for its hashes as a long one comes.

    borg's chunker is one object: whatever reads on in it reads the file that came last.
    """
    mega, small = 1 << 20, 500 << 10
    # The small ones keep the threads busy until the long one comes.
    sizes = [
        *[small] * 8,
        mega,
        24 * mega,
        *[small] * 8,
        2 * mega,
        mega,
        24 * mega,
        5,
        24 * mega,
        9,
    ]
    dice = random.Random(7)
    contents, entries, answers = [], [], []
    for number, size in enumerate(sizes, 1):
        content, st = dice.randbytes(size), stat(FILE, size, ino=90 + number)
        blocks = [frame(DATA, content[at : at + mega]) for at in range(0, size, mega)]
        contents.append(content)
        entries.append(row(1, b"%02d" % number, st))
        is_small = size <= small
        answers.append(
            whole(number, st, content) if is_small else compared(number, st, *blocks, size=size)
        )
    count = len(sizes) + 1
    frames = [rows(TOP, *entries), listed(count), *answers, bye(count, len(sizes))]
    code, text = Engine("x", frames).end()
    same = {}
    for number, content in enumerate(contents, 1):
        argv = ["borg", "extract", "--stdout", "::x", f"r/{number:02}"]
        same[number] = subprocess.check_output(argv, env=ENV) == content
    return {"code": code, "said": text, "same": same}


def lies() -> dict[str, Any]:
    """What a client says of pieces that it was not asked for, or that do not fit."""
    # A chunk has at most 8 MiB, so that these are more than one.
    small, large = stat(FILE, 5, ino=9), stat(FILE, BIG, ino=10)
    late = stat(FILE, 5, ino=11, time=OLD + SECOND)
    names = rows(TOP, row(1, b"a", small), row(1, b"b", large), row(1, b"z", late))
    content = random.Random(5).randbytes(BIG)
    blocks = [frame(DATA, content[at : at + (1 << 20)]) for at in range(0, BIG, 1 << 20)]
    first = [names, listed(4), whole(1, small, b"hello"), compared(2, large, *blocks, size=BIG)]
    first += [whole(3, late, b"later", OLD + SECOND), bye(4, 3)]
    assert Engine("before", first, compares=True).end()[0] == 0
    new = OLD + 2 * SECOND
    touched = stat(FILE, BIG, ino=10, time=new)
    begin = [rows(TOP, row(1, b"b", touched), row(1, b"n", stat(FILE, 9, ino=12))), listed(3)]
    told = {
        "beyond": compared(1, touched, same(0, 9999), time=new, size=BIG),
        "twice": compared(1, touched, same(0, 1), same(0, 1), time=new, size=BIG),
        "elsewhere": compared(1, touched, frame(DATA, b"x"), same(0, 1), time=new, size=BIG),
        "another's hash": compared(1, touched, *blocks, frame(SUM, bytes(32)), time=new, size=1),
        "not asked": whole(1, touched, b"", new) + compared(2, stat(FILE, 9, ino=12), same(0, 1)),
        "cut": compared(1, touched, same(0, 1), time=new, size=BIG)
        + whole(2, stat(FILE, 9, ino=12), b"nine byte")
        + bye(3, 2),
    }
    found = {}
    for name, answer in told.items():
        code, text = Engine(name, [*begin, answer], compares=True).end()
        found[name] = {"code": code, "said": text[-300:]}
    return {"codes": found, "cut": contents("cut")}


def between() -> dict[str, Any]:
    """A stock borg reads and writes the files cache between two engines, and they do between it."""
    st, large = stat(FILE, 5, ino=9), stat(FILE, 3 << 20, ino=1 << 40)
    newest = stat(FILE, 5, ino=11, time=OLD + SECOND)
    names = rows(TOP, row(1, b"a", st), row(1, b"b", large), row(1, b"z", newest))
    begun = frame(BEGIN, struct.pack("<IBi", 2, 0, 0) + large + bytes(4))
    dice = random.Random(1)
    data = [frame(DATA, dice.randbytes(1 << 20)) for _ in range(3)]
    stop = frame(STOP, struct.pack("<BiqQ", 0, 0, OLD, 3 << 20))
    last = whole(3, newest, b"third", OLD + SECOND)
    frames = [names, listed(4), whole(1, st, b"first"), begun, *data, stop, last, bye(4, 3)]
    found: dict[str, Any] = {"codes": [], "said": [], "asked": []}
    tree = Path(sys.prefix) / "share"
    for turn in range(3):
        words = ["borg", "create", "--list", "--filter", "AMCE", f"::stock{turn}", str(tree)]
        done = subprocess.run(words, env=ENV, capture_output=True, text=True, check=True)
        found["said"].append(done.stderr)
        if turn:
            frames = [names, listed(4), last, bye(4, 1)]
        found["codes"].append(Engine(f"x{turn}", frames).end()[0])
    found["asked"] = Engine("last", [names, listed(4)]).asked()
    return found


def lost() -> dict[str, Any]:
    """The repository has lost a chunk of the first, the middle or the last of three unchanged
    files: an archive without that file stays, and the other one is deleted.
    """
    found: dict[str, Any] = {}
    fast = ("--filter", "AMCE")  # unchanged files that are told go another way
    for turn, name in enumerate("abc"):
        others = "abc".replace(name, "")
        for archive, named, answered in (("all", "abc", "abc"), ("less", others, "")):
            assert Engine(archive, _three(turn, named, answered), *fast).end()[0] == 0
        borg("delete", "::all")
        code, _ = Engine("x", _three(turn, "abc", name), *fast).end()
        paths = [f"r/{one}" for one in "abc"]
        found[name] = [code, *(borg("extract", "--stdout", "::x", path) for path in paths)]
        found[name].append("".join(path[2:] for path in contents("x") if path != "r"))
        borg("delete", "::less", "x")
    return found


def _three(turn: int, named: str, answered: str) -> list[bytes]:
    """Files of these names, and a newest one; each turn has other files. Some are read."""
    first = 20 + 4 * turn
    files = [
        File(one, first + "abc".index(one), f"{one} of {turn}".encode(), answered=one in answered)
        for one in named
    ]
    return frames_of(*files, File("z", first + 3, b"newer", OLD + (turn + 1) * SECOND))


def untested() -> dict[str, Any]:
    """borg's test of itself fails: at first, once it has passed, and once that was another boot."""
    program = """
import borg.archiver, runpy, sys
borg.archiver.selftest = lambda logger: (logger.error("self test failed"), sys.exit(2))
runpy.run_module("borgpull.borg.inside.stream", run_name="__main__")
"""
    frames = [rows(TOP, row(1, b"a", stat(FILE, 5))), listed(2), whole(1, stat(FILE, 5), b"hello")]
    mark = BASE / selftest.NAME
    found: dict[str, Any] = {"codes": {}, "marks": []}
    good, bad = ("-m", "borgpull.borg.inside.stream"), ("-c", program)
    runs = {"first": bad, "good": good, "again": bad, "another boot": bad}
    for name, words in runs.items():
        if name == "another boot":
            mark.write_text("of another boot")
        engine = Engine(name, [*frames, bye(2, 1)], program=words)
        found["codes"][name], found["said"] = engine.end()
        found["marks"].append(mark.exists())
    return {**found, "archives": borg("list", "--short").split()}


def heavy() -> dict[str, Any]:
    """Attributes without end, behind a file that never comes."""

    def frames() -> Iterator[bytes]:
        yield rows(TOP, row(1, b"a", stat(FILE, 5)))
        for number in range(400):
            more = b"".join(extra(b"x", b"user.%d" % key, bytes(1 << 16)) for key in range(60))
            yield rows(*(row(1, b"%d-%d" % (number, n), stat(FILE, 5), more) for n in range(2)))

    engine = Engine("x", frames())
    return {"peak": engine.peak(), "code": engine.child.returncode}


def linked() -> dict[str, Any]:
    """First names of hard links without end, each with a long path."""

    def frames() -> Iterator[bytes]:
        yield rows(TOP, *(row(depth, b"n" * 1000, stat(DIR)) for depth in range(1, 19)))
        for start in range(2, 1 << 30, 256):
            yield rows(
                *(row(19, b"%d" % n, stat(FIFO, ino=n, links=2)) for n in range(start, start + 256))
            )

    engine = Engine("x", frames(), "--filter", "E")
    return {"peak": engine.peak(), "code": engine.child.returncode}


CASES: dict[str, Callable[[], dict[str, Any]]] = {
    case.__name__: case
    for case in (
        reused,
        refused,
        moved,
        cut,
        newest,
        unseen,
        new,
        between,
        rot,
        exact,
        mixed,
        lies,
        lost,
        untested,
        heavy,
        linked,
    )
}


if __name__ == "__main__":
    BASE.mkdir()
    borg("init", "--encryption", "repokey-blake2")
    print(json.dumps(CASES[sys.argv[1]]()))
