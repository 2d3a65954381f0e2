"""In a container of our image: runs of a client whose tree changes at random, and what their
manifests say. `python3 -m tests.support.engine_sums SEED` prints what it found as JSON.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from borgpull.borg import manifest
from borgpull.borg.inside import inorder, wire
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
from tests.support.evil_helper import FILE, rows

RUNS, FILES = 8, 50
FOLDER = BASE / "manifests"
NOTHING = {"carried": [], "kept": [], "before": ""}
XATTR = extra(b"x", b"user.a", b"1")


class File(NamedTuple):
    ino: int
    time: int
    content: bytes
    more: bytes  # attributes: such a file goes another way through the engine


class Client:
    """A folder of files. One that is new in each run is the newest: borg forgets it."""

    def __init__(self, seed: str) -> None:
        self.dice = random.Random(seed)
        self.files: dict[bytes, File] = {}
        self.time, self.ino = OLD, 100
        for _ in range(FILES):
            self.add()

    def add(self) -> None:
        self.files[b"%04d" % self.dice.randrange(10_000)] = self.made()

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
            name = self.dice.choice(sorted(self.files))
            what = self.dice.choice(("edit", "remove", "add", "move"))
            if what == "edit":
                self.files[name] = self.made()
            elif what == "add":
                self.add()
            elif what == "remove":
                del self.files[name]
            else:
                file = self.files.pop(name)
                self.time += SECOND
                self.files[b"moved" + name[-4:]] = file._replace(time=self.time)
        self.time += SECOND
        self.files[b"~"] = File(99, self.time, b"newest", b"")

    def st(self, file: File) -> bytes:
        return stat(FILE, len(file.content), ino=file.ino, time=file.time)

    def serve(self, engine: Engine) -> None:
        """List, and answer what is asked for."""
        named = sorted(self.files.items())
        engine.send(rows(TOP, *[row(1, n, self.st(f), f.more) for n, f in named]))
        engine.send(listed(len(named) + 1))
        answers, text = 0, b""
        while piece := os.read(engine.requests, 1 << 16):
            text += piece
            whole_ones = len(text) - len(text) % wire.REQUEST.size
            for kind, number in wire.REQUEST.iter_unpack(text[:whole_ones]):
                if kind == wire.READ:
                    file = named[number - 1][1]
                    engine.send(whole(number, self.st(file), file.content, file.time))
                    answers += 1
                elif kind == wire.FINISH:
                    engine.send(bye(len(named) + 1, answers))
            text = text[whole_ones:]


def run(client: Client, number: int) -> dict[str, Any]:
    order: dict[str, Any] = {**NOTHING, "folder": str(FOLDER), "key": "11" * 32, "number": number}
    engine = Engine(f"a{number}", [], "--filter", "AMCE", manifest=order)
    thread = threading.Thread(target=client.serve, args=(engine,), daemon=True)
    thread.start()
    code, text = engine.end()
    (path,) = FOLDER.glob(f"{number:08}-*{SUFFIX}")
    with path.open("rb") as file:
        manifest.require_genuine(file, bytes.fromhex(order["key"]))
        records = [one for one in manifest.records(file) if one.path != "r"]
    paths = [f"r/{os.fsdecode(name)}" for name in sorted(client.files)]
    sums = [sha256(file.content).digest() for _, file in sorted(client.files.items())]
    (kept,) = Path(f"{BASE}/base/.cache/borg").glob(f"*/{inorder.NAME}")
    return {
        "code": code,
        "said": text[-500:] if code else "",
        "paths": [one.path for one in records] == paths,
        "sums": [one.sum for one in records] == sums,
        "order": kept.stat().st_ino,
        "pairs": kept.stat().st_size // 64,
        "plain": sum(not file.more for file in client.files.values()),
    }


def main() -> None:
    FOLDER.mkdir(parents=True)
    borg("init", "--encryption", "repokey")
    client, found = Client(sys.argv[1]), []
    for number in range(1, RUNS + 1):
        client.change()
        found.append(run(client, number))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
