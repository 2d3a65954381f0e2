"""In a container of our image: runs of a client whose tree changes at random, and what archives and
manifests say. `python3 -m tests.support.engine_runs SEED` prints what it found as JSON.
"""

from __future__ import annotations

import json
import os
import random
import struct
import sys
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from borgpull.borg import manifest
from borgpull.borg.inside import blocks, reads, wire
from borgpull.borg.inside.manifest import SUFFIX
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
    stat,
    whole,
)
from tests.support.evil_helper import DIR, FILE, frame, rows

RUNS, FILES, FOLDERS = 10, 50, 4
FOLDER = BASE / "manifests"
KEY = "11" * 32
NOTHING = {"carried": [], "kept": [], "before": ""}
XATTR = extra(b"x", b"user.a", b"1")
TIME = "%Y-%m-%dT%H:%M:%S.000000"
FIELDS = ("path", "size", "sha256", "user", "mtime", "ctime")
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
        self.time, self.ino = OLD, 100
        for _ in range(FILES):
            self.add()

    def add(self) -> None:
        # Below the root after its folders, too: then the depth becomes less within a frame.
        place = self.dice.randrange(FOLDERS + 1), b"%04d" % self.dice.randrange(10_000)
        self.files[place] = self.made()

    def made(self) -> File:
        self.time, self.ino = self.time + SECOND, self.ino + 1
        more = XATTR if self.dice.random() < 0.1 else b""
        # Some contents are the same, and some are empty.
        contents = (b"", b"twice", self.dice.randbytes(700), self.dice.randbytes(9))
        content = self.dice.choice(contents)
        return File(self.ino, self.time, content, more)

    def change(self) -> None:
        """A few files become others, go, come, and get other names. Or nothing happens."""
        for _ in range(self.dice.choice((0, 0, 1, 3, 12))):
            place = self.dice.choice(sorted(self.files))
            what = self.dice.choice(("edit", "remove", "add", "move", "all", "folder", "user"))
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
            elif what == "all":  # the files of a folder go
                self.files = {at: file for at, file in self.files.items() if at[0] != place[0]}
                self.add()
            elif what == "folder":  # its entries stay as they are
                self.folders[place[0] % FOLDERS] += b"x"
            else:
                self.user = self.dice.choice(("anna", "bert"))
        self.frame = self.dice.choice((7, 7, 7, 8, 30))
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
                    yield row(depth, at[1], self.st(file), file.more), file

    def serve(self, engine: Engine) -> None:
        """List, and answer what is asked for."""
        found = [*self.entries()]
        engine.send(frame(wire.NAME, struct.pack("<BI", 0, 0) + self.user.encode()))
        for at in range(0, len(found), self.frame):
            engine.send(rows(*[one for one, _ in found[at : at + self.frame]]))
        engine.send(listed(len(found)))
        answers, text = 0, b""
        while piece := os.read(engine.requests, 1 << 16):
            text += piece
            whole_ones = len(text) - len(text) % wire.REQUEST.size
            for kind, number in wire.REQUEST.iter_unpack(text[:whole_ones]):
                file = found[number][1] if kind == wire.READ else None
                if file is not None:
                    engine.send(whole(number, self.st(file), file.content, file.time))
                    answers += 1
                elif kind == wire.FINISH:
                    engine.send(bye(len(found), answers))
            text = text[whole_ones:]

    def wanted(self) -> list[list[Any]]:
        """What FIELDS are in the archive."""
        found = []
        for at, file in self.files.items():
            time = datetime.fromtimestamp(file.time // SECOND, UTC).strftime(TIME)
            content = sha256(file.content).hexdigest()
            found.append([self.path(at), len(file.content), content, self.user, time, time])
        return sorted(found)


def counted(archive: str, frames: Iterable[bytes], folder: Path, number: int) -> Engine:
    """An engine that tells how many items it has copied. Its manifest has this number."""
    order: dict[str, Any] = {**NOTHING, "folder": str(folder), "key": KEY, "number": number}
    program = ("-c", COUNTED)
    return Engine(archive, frames, "--filter", "AMCE", manifest=order, program=program)


def copied(text: str) -> int:
    """How many items an engine has copied, by what it has said."""
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return sum(line["count"] for line in lines if line.get("type") == "copied")


def run(client: Client, number: int) -> dict[str, Any]:
    engine = counted(f"a{number}", [], FOLDER, number)
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


def main() -> None:
    FOLDER.mkdir(parents=True)
    borg("init", "--encryption", "repokey")
    client, found = Client(sys.argv[1]), []
    for number in range(1, RUNS + 1):
        client.change()
        if number == RUNS:
            damage()
        found.append(run(client, number))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
