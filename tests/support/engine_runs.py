"""In a container of our image: runs of a client whose tree changes at random, and what archives and
manifests say. `python3 -m tests.support.engine_runs SEED` prints what it found as JSON.
"""

from __future__ import annotations

import json
import os
import random
import select
import struct
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from borgpull.borg import manifest
from borgpull.borg.inside import blocks, reads, wire
from borgpull.borg.inside.manifest import SUFFIX
from borgpull.client.scripts.stream_delta import parsed
from tests.support.engine_alone import (
    BASE,
    OLD,
    SECOND,
    TOP,
    Engine,
    borg,
    bye,
    extra,
    listed,
    row,
    same,
    stat,
)
from tests.support.evil_helper import DIR, FILE, frame, rows

RUNS, FILES, FOLDERS = 10, 50, 4
FOLDER = BASE / "manifests"
KEY = "11" * 32
NOTHING = {"carried": [], "kept": [], "before": ""}
XATTR = extra(b"x", b"user.a", b"1")
# A flag of chattr(1), and the number that borg stores of it.
FRESH = extra(b"n", b"", b"")
NODUMP, STORED = extra(b"f", b"", b"64"), 1
ASK_SECONDS = 0.5  # for the engine's first request after the first frame, if it has one
LAST_SECONDS = 5.0  # for its last word, once its questions have come
TIME = "%Y-%m-%dT%H:%M:%S.000000"
FIELDS = ("path", "size", "sha256", "user", "mtime", "ctime", "flags")
# The engine, which tells how many items it has copied.
COUNTED = """
import json, runpy, sys
from borgpull.borg.inside import repeated
save = repeated.Repeated.save
def counted(*words):
    count = save(*words)
    print(json.dumps({"type": "copied", "count": count}), file=sys.stderr, flush=True)
    return count
repeated.Repeated.save = counted
runpy.run_module("borgpull.borg.inside.stream", run_name="__main__")
"""


class File(NamedTuple):
    ino: int
    time: int
    content: bytes
    more: bytes  # attributes: such a file goes another way through the engine


class Client:
    """Folders of files. One that is new in each run is the newest: borg forgets it."""

    def __init__(self, seed: str) -> None:
        self.dice = random.Random(seed)
        self.files: dict[tuple[int, bytes], File] = {}  # by folder and name
        self.folders = [b"%d" % number for number in range(FOLDERS)]  # "" would be the root
        self.user, self.frame = "anna", 7  # entries
        self.time, self.ino, self.since = OLD, 100, 0
        self.odd: set[int] | None = None  # inodes of files that are not listed briefly
        self.blind = False  # does the reader see no flags?
        self.same = 0  # files that were compared, and are as they were
        self.waits = False  # does it answer only after the engine's last word?
        self.late = 0  # questions before which it would have waited in vain
        for _ in range(FILES):
            self.add()

    def add(self) -> None:
        # Below the root after its folders, too: then the depth becomes less within a frame.
        place = self.dice.randrange(FOLDERS + 1), b"%04d" % self.dice.randrange(10_000)
        self.files[place] = self.made()

    def made(self) -> File:
        self.time, self.ino = self.time + SECOND, self.ino + 1
        more = self.dice.choices((b"", XATTR, NODUMP), (80, 10, 10))[0]
        # Some contents are the same, and some are empty.
        contents = (b"", b"twice", self.dice.randbytes(700), self.dice.randbytes(9))
        content = self.dice.choice(contents)
        return File(self.ino, self.time, content, more)

    def change(self) -> None:
        """A few files become others, go, come, and get other names. Or nothing happens."""
        for _ in range(self.dice.choice((0, 0, 1, 3, 12))):
            place = self.dice.choice(sorted(self.files))
            ways = ("edit", "remove", "add", "move", "flag", "come", "all", "folder", "user")
            what = self.dice.choice(ways)
            if what == "edit":
                self.files[place] = self.made()
            elif what == "add":
                self.add()
            elif what == "remove":
                del self.files[place]
            elif what == "move":
                file = self.files.pop(place)
                self.time += SECOND
                self.files[place[0], b"moved" + place[1][-4:]] = file._replace(time=self.time)
            elif what == "flag":
                self.time += SECOND
                more = b"" if self.files[place].more == NODUMP else NODUMP
                self.files[place] = self.files[place]._replace(time=self.time, more=more)
            elif what == "come":  # with a folder from elsewhere, so that it keeps its times
                self.ino += 1
                self.files[place[0], b"from%d" % self.ino] = File(self.ino, OLD, b"old", NODUMP)
            elif what == "all":  # the files of a folder go
                self.files = {at: file for at, file in self.files.items() if at[0] != place[0]}
                self.add()
            elif what == "folder":  # its entries stay as they are
                self.folders[place[0] % FOLDERS] += b"x"
            else:
                self.user = self.dice.choice(("anna", "bert"))
        self.frame = self.dice.choice((7, 7, 7, 8, 30))
        self.tick()

    def tick(self) -> None:
        """Time goes on, and there is a newest file."""
        self.time += SECOND
        self.files[FOLDERS, b"~"] = File(99, self.time, b"newest", b"")

    def st(self, file: File) -> bytes:
        return stat(FILE, len(file.content), ino=file.ino, time=file.time)

    def path(self, place: tuple[int, bytes]) -> str:
        above = b"" if place[0] == FOLDERS else self.folders[place[0]] + b"/"
        return os.fsdecode(b"r/" + above + place[1])

    def entries(self) -> Iterator[tuple[bytes, File | None]]:
        """Rows, with the file of each."""
        yield TOP, None
        for number in range(FOLDERS + 1):
            if number < FOLDERS:
                yield row(1, self.folders[number], stat(DIR, ino=10 + number)), None
            for at, file in sorted(self.files.items()):
                if at[0] == number:
                    depth = 1 if number == FOLDERS else 2
                    hidden = self.is_brief(file) or (self.blind and file.more == NODUMP)
                    more = b"" if hidden else file.more
                    yield row(depth, at[1], self.st(file), more), file

    def serve(self, engine: Engine) -> None:
        """List, and answer what is asked for."""
        engine.send(frame(wire.NAME, struct.pack("<BI", 0, 0) + self.user.encode()))
        self.since, self.odd = _asked(engine)
        found = [*self.entries()]
        for at in range(0, len(found), self.frame):
            engine.send(rows(*[one for one, _ in found[at : at + self.frame]]))
        engine.send(listed(len(found)))
        answers, text, ready = 0, b"", b""
        while piece := self.requests(engine, ready):
            asked, text = parsed(text + piece)
            for kind, number, pieces in asked:
                if kind in (wire.READ, wire.COMPARE):
                    ready += self.answer(number, found[number][1], pieces)
                    answers += 1
                elif kind == wire.FINISH:
                    engine.send(ready + bye(len(found), answers))
                    ready = b""
            if not self.waits:
                engine.send(ready)
                ready = b""

    def requests(self, engine: Engine, ready: bytes) -> bytes:
        """What comes next; b"" at the end."""
        if ready and not select.select([engine.requests], [], [], LAST_SECONDS)[0]:
            self.waits, self.late = False, self.late + 1
            engine.send(ready)
        return os.read(engine.requests, 1 << 16)

    def answer(self, number: int, file: File | None, pieces: list[tuple[int, bytes]]) -> bytes:
        assert file is not None
        more = FRESH + file.more if self.is_brief(file) else b""
        head = struct.pack("<IBi", number, 0, 0) + self.st(file)
        head += struct.pack("<I", len(more)) + more
        end = struct.pack("<BiqQ", 0, 0, file.time, len(file.content))
        if pieces == [(len(file.content), sha256(file.content).digest())]:
            self.same += 1
            return b"".join((frame(wire.BEGIN, head), same(0, 1), frame(wire.STOP, end)))
        found: bytes = frame(wire.WHOLE, head + end + file.content)
        return found

    def is_brief(self, file: File) -> bool:
        """As `brief.py` has it, by itself. Without odd inodes, extended attributes are told."""
        if not file.content or file.time >= self.since * SECOND:
            return False
        return file.more != XATTR if self.odd is None else file.ino not in self.odd

    def wanted(self) -> list[list[Any]]:
        """What FIELDS are in the archive."""
        found = []
        for at, file in self.files.items():
            time = datetime.fromtimestamp(file.time // SECOND, UTC).strftime(TIME)
            content = sha256(file.content).hexdigest()
            flags = STORED if file.more == NODUMP and not self.blind else 0
            found.append([self.path(at), len(file.content), content, self.user, time, time, flags])
        return sorted(found)


def _asked(engine: Engine) -> tuple[int, set[int] | None]:
    """From when on files are to be listed as always, and the odd ones, if the engine says so."""
    engine.await_taken()
    found: dict[int, tuple[int, Any]] = {}
    text = b""
    while wire.BRIEF not in found and select.select([engine.requests], [], [], ASK_SECONDS)[0]:
        asked, text = parsed(text + os.read(engine.requests, 1 << 16))
        found |= {kind: (number, more) for kind, number, more in asked}
    since, _ = found.get(wire.BRIEF, (0, None))
    assert (wire.INODES in found) == (wire.DEVICES in found)
    assert found.get(wire.DEVICES, (0, [(os.makedev(0, 1),)]))[1] == [(os.makedev(0, 1),)]
    _, odd = found.get(wire.INODES, (0, None))
    return since, None if odd is None else {inode for (inode,) in odd}


def counted(
    archive: str,
    frames: Iterable[bytes],
    folder: Path,
    number: int,
    *,
    began: int = 0,
    carried: Sequence[str] = (),
) -> Engine:
    """An engine that tells how many items it has copied. Its manifest has this number."""
    order: dict[str, Any] = {**NOTHING, "folder": str(folder), "key": KEY, "number": number}
    order["carried"] = carried
    program = ("-c", COUNTED)
    more: dict[str, Any] = {"manifest": order, "program": program, "began": began}
    return Engine(archive, frames, "--filter", "AMCE", compares=began > 0, **more)


def copied(text: str) -> int:
    """How many items an engine has copied, by what it has said."""
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return sum(line["count"] for line in lines if line.get("type") == "copied")


def run(client: Client, number: int) -> dict[str, Any]:
    sees = () if client.blind else ("flags",)
    began = client.time // SECOND
    engine = counted(f"a{number}", [], FOLDER, number, began=began, carried=sees)
    thread = threading.Thread(target=client.serve, args=(engine,), daemon=True)
    thread.start()
    code, text = engine.end()
    (path,) = FOLDER.glob(f"{number:08}-*{SUFFIX}")
    with path.open("rb") as file:
        manifest.require_genuine(file, bytes.fromhex(KEY))
        records = {one.path: one.sum for one in manifest.records(file)}
    sums = {client.path(at): sha256(one.content).digest() for at, one in client.files.items()}
    return {
        "code": code,
        "said": text[-500:] if code else "",
        "items": files_of(f"a{number}") == client.wanted(),
        "sums": {path: records.get(path) for path in sums} == sums,
        "entries": len(records) == len(sums) + FOLDERS + 1,
        "copied": copied(text),
        "brief": sum(map(client.is_brief, client.files.values())),
        "same": client.same,
    }


def files_of(archive: str) -> list[list[Any]]:
    words = "".join(f"{{{name}}}" for name in FIELDS)
    text = borg("list", "--json-lines", "--format", words, f"::{archive}")
    lines = map(json.loads, text.splitlines())
    return sorted([line[name] for name in FIELDS] for line in lines if line["type"] == "-")


def damage() -> None:
    """Turn a bit of what the next run would copy. As on a bad disk, nothing else tells of it."""
    (path,) = Path(f"{BASE}/base/.cache/borg").glob(f"*/{blocks.NAME}")
    text = bytearray(path.read_bytes())
    text[text.index(b"mtime") + 6] ^= 1
    with path.open("r+b") as file:
        file.write(text)
    last, st = path.with_name(reads.LAST), path.stat()
    found = json.loads(last.read_text())
    found["listing"] = [st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns]
    last.write_text(json.dumps(found))


def moved() -> list[dict[str, Any]]:
    """A folder gets another name, and its files keep their times."""
    client, found = Client("moved"), []
    for number in range(1, 6):
        client.tick()
        if number == 4:
            client.folders = [name + b"x" for name in client.folders]
        before = client.same
        found.append(run(client, number))
        found[-1]["same"] -= before
    return found


def readers() -> list[dict[str, Any]]:
    """One reader sees no flags, and one lists briefly after it."""
    client, found = Client("readers"), []
    for number in range(1, 5):
        client.tick()
        client.blind = number < 3
        found.append(run(client, number))
    return found


def last() -> list[dict[str, Any]]:
    """The client answers only after the engine's last word."""
    client, found = Client("last"), []
    for number in range(1, 5):
        client.tick()
        if number == 3:
            client.files[0, b"0000"] = File(98, client.time, b"new", b"")
        client.waits = True
        found.append({**run(client, number), "late": client.late})
    return found


CASES = {case.__name__: case for case in (moved, readers, last)}


def main() -> None:
    FOLDER.mkdir(parents=True)
    borg("init", "--encryption", "repokey")
    if sys.argv[1] in CASES:
        print(json.dumps(CASES[sys.argv[1]]()))
        return
    client, found = Client(sys.argv[1]), []
    for number in range(1, RUNS + 1):
        client.change()
        if number == RUNS:
            damage()
        found.append(run(client, number))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
