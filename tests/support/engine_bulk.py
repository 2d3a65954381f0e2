"""In a container of our image: what `bulk.py` makes of contents, and what borg makes of the same.

`python3 -m tests.support.engine_bulk CASE` prints what it found as JSON. Before each turn, the
repository and all that borg knows of it are as at first: so keys, nonces and ids are the same, and
each file must be the same, byte by byte.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from borgpull.borg.inside.bulk import Bulk, bulk_of
from borgpull.borg.inside.readback import Reader
from tests.support.engine_alone import BASE, ENV, Engine, File, borg, check, frames_of

KINDS = ("repokey", "repokey-blake2", "keyfile", "keyfile-blake2")
OTHERS = ("none", "authenticated", "authenticated-blake2")
COMPRESSIONS = ("lz4", "none", "zstd", "auto,zlib")
# A segment for some files only, and a folder for some segments only.
LIMIT, PER_FOLDER = 20_000, 3
FIRST = BASE.with_name("engine-bulk-first")
Content = tuple[bytes, bytes]  # with its id before it
# The engine, which tells how many files went this way.
COUNTED = """
import json, sys
from borgpull.borg.inside import bulk, stream
add = bulk.Bulk.add
def counted(self, contents):
    print(json.dumps({"type": "bulk", "count": len(contents)}), file=sys.stderr, flush=True)
    return add(self, contents)
bulk.Bulk.add = counted
stream.main()
"""


class Store:
    """A repository with an archive that is being made, as in the engine."""

    def __init__(self, repository: Any, key: Any, cache: Any, archive: Any) -> None:
        self.repository, self.key, self.cache, self.archive = repository, key, cache, archive
        self.reader = Reader(archive, 64)

    def bulk(self) -> Bulk | None:
        return bulk_of(self.archive, self.key, self.cache)

    def stock(self, contents: list[Content]) -> list[Any]:
        stats = self.archive.stats
        return [self.cache.add_chunk(key, data, stats, wait=False) for key, data in contents]

    def together(self, contents: list[Content]) -> list[Any]:
        bulk = self.bulk()
        assert bulk is not None
        return bulk.add(contents)

    def unreadable(self) -> int:
        """How many chunks of the index are not as their id says."""
        count = 0
        for key in self.repository.list():
            try:
                self.key.decrypt(key if any(key) else None, self.repository.get(key))
            except Exception as error:  # whatever it is
                print(error, file=sys.stderr)
                count += 1
        return count


@contextlib.contextmanager
def opened(compression: str = "lz4") -> Iterator[Store]:
    from borg.archive import Archive  # type: ignore[import-not-found]
    from borg.cache import Cache  # type: ignore[import-not-found]
    from borg.compress import CompressionSpec  # type: ignore[import-not-found]
    from borg.helpers import Manifest  # type: ignore[import-not-found]
    from borg.repository import Repository  # type: ignore[import-not-found]

    with Repository(f"{BASE}/repo", exclusive=True) as repository:
        manifest, key = Manifest.load(repository, Manifest.NO_OPERATION_CHECK)
        key.compressor = CompressionSpec(compression).compressor
        with Cache(repository, key, manifest, lock_wait=1) as cache:
            archive = Archive(repository, key, manifest, "x", cache=cache, create=True)
            yield Store(repository, key, cache, archive)


def begin(kind: str) -> None:
    """A new repository, with an archive."""
    for path in (BASE, FIRST):
        shutil.rmtree(path, ignore_errors=True)
    BASE.mkdir()
    borg("init", "--encryption", kind)
    config = BASE / "repo/config"
    text = re.sub(r"(segments_per_dir = ).*", rf"\g<1>{PER_FOLDER}", config.read_text())
    config.write_text(re.sub(r"(max_segment_size = ).*", rf"\g<1>{LIMIT}", text))
    (BASE / "old").write_bytes(b"old" * 500)
    borg("create", "::old", f"{BASE}/old")
    shutil.copytree(BASE, FIRST, symlinks=True)


def files() -> dict[str, str]:
    """All that the repository and borg's own folder have; a time is in the second one's names."""
    found = {}
    for path in BASE.rglob("*"):
        if path.is_file() and path.name not in ("config", "manifest-timestamp", "README"):
            found[str(path.relative_to(BASE))] = sha256(path.read_bytes()).hexdigest()
    return found


def contents(key: Any, seed: int) -> list[Content]:
    """Small contents; some come twice."""
    dice = random.Random(seed)
    found = [dice.randbytes(dice.randrange(1, 3000)) for _ in range(150)]
    found += [bytes([dice.randrange(1, 99)]) * dice.randrange(1, 9000) for _ in range(40)]
    found += [b"old" * 500, *dice.choices(found, k=30), dice.randbytes(500_000)]
    dice.shuffle(found)
    return [(key.id_hash(data), data) for data in found]


def turn(compression: str, save: Callable[[Store], Callable[[list[Content]], Any]]) -> Any:
    """All that has come of contents that were saved by this function, in several calls."""
    from borg.crypto import nonces  # type: ignore[import-not-found]

    shutil.rmtree(BASE)
    shutil.copytree(FIRST, BASE, symlinks=True)
    dice = random.Random(3)
    nonces.NONCE_SPACE_RESERVATION = 100  # so that there are some within a batch
    with opened(compression) as store:
        rest, add, entries = contents(store.key, 1), save(store), []
        # The cache has lost one: it is put once more over the old one.
        old, _ = next((key, data) for key, data in rest if data == b"old" * 500)
        store.stock(rest[-1:])
        del store.cache.chunks[old]
        while rest:
            count = dice.choice((1, 2, 32, 40))
            entries += add(rest[:count])
            rest = rest[count:]
            if entries and dice.randrange(3) == 0:
                with contextlib.suppress(OSError):
                    store.stock(contents(store.key, 2)[:3])
                store.repository.get(entries[-1].id)  # as a reading back does
        one = store.archive.stats
        sample, count = store.reader.sampled.take(), store.reader.sampled.count
        store.cache.commit()
        store.repository.commit(compact=False)
        unreadable, segments = store.unreadable(), len(store.repository.segments)
    stats = (one.osize, one.csize, one.usize, one.nfiles)
    told = [(type(entry).__name__, entry.id.hex(), *entry[1:]) for entry in entries]
    more = {"sample": [key.hex() for key in sample], "stats": stats, "entries": told}
    return {"files": files(), "unreadable": unreadable, "segments": segments, **more}


def same() -> dict[str, Any]:
    """By kind of key and compression: is all the same by borg and by us?"""
    found = {}
    for kind, compression in zip(KINDS, COMPRESSIONS, strict=True):
        begin(kind)
        stock = turn(compression, lambda store: store.stock)
        ours = turn(compression, lambda store: store.together)
        differs = [name for name in stock if stock[name] != ours[name]]
        names = [*stock["files"].keys() | ours["files"].keys()]
        other = [one for one in names if stock["files"].get(one) != ours["files"].get(one)]
        borg("check", "--repository-only")
        counts = {name: ours[name] for name in ("segments", "unreadable")}
        found[f"{kind} {compression}"] = {"differs": differs + other, **counts}
    return found


class Failing:
    """A compressor that fails once, after so many contents."""

    def __init__(self, stock: Any, left: int) -> None:
        self._stock, self._left = stock, left

    def compress(self, data: bytes) -> Any:
        self._left -= 1
        if self._left == -1:
            raise OSError("it fails")
        return self._stock.compress(data)


def failing(name: str, left: int, store: Store) -> Callable[[list[Content]], Any]:
    """A method of the store, with a compression that fails after so many contents."""
    add = getattr(store, name)
    store.key.compressor = Failing(store.key.compressor, left)

    def caught(some: list[Content]) -> Any:
        with contextlib.suppress(OSError):
            return add(some)
        return []

    return caught


def broken() -> dict[str, Any]:
    """It fails in the middle of a call: what was before it counts, as with borg itself."""
    begin("repokey-blake2")
    differs, unreadable = [], 0
    for left in range(70, 80):
        stock, ours = (turn("lz4", partial(failing, name, left)) for name in ("stock", "together"))
        differs += [name for name in stock if stock[name] != ours[name]]
        unreadable += ours["unreadable"]
        borg("check", "--repository-only")
    return {"differs": differs, "unreadable": unreadable}


def full() -> dict[str, Any]:
    """The disk takes a part of a write only: nothing of it counts, and nothing is committed."""
    begin("repokey-blake2")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    found: dict[str, Any] = {}
    with opened() as store:
        store.repository.io.limit = 1 << 20
        some = contents(store.key, 1)
        store.together(some[:50])
        before = len(store.repository), len(store.cache.chunks)
        place = Path(store.repository.io._write_fd.path)
        store.repository.io._write_fd.sync()
        bound = place.stat().st_size + 5000
        resource.setrlimit(resource.RLIMIT_FSIZE, (bound, resource.RLIM_INFINITY))
        try:
            store.together(some[50:120])
        except OSError as error:
            found["error"] = error.strerror
        endless = (resource.RLIM_INFINITY,) * 2
        resource.setrlimit(resource.RLIMIT_FSIZE, endless)
        found["written"] = place.stat().st_size == bound
        after = len(store.repository), len(store.cache.chunks)
        found["more"] = [late - early for early, late in zip(before, after, strict=True)]
        found["unreadable"] = store.unreadable()
        try:
            store.repository.commit(compact=False)
        except OSError as error:
            found["committed"] = error.strerror
    found["archives"], found["check"] = borg("list", "--short").split(), check()
    return found


def kinds() -> dict[str, bool]:
    """Where are contents stored together?"""
    from borg.repository import LoggedIO

    found = {}
    for kind in (*KINDS, *OTHERS):
        begin(kind)
        with opened() as store:
            found[kind] = store.bulk() is not None
    begin("repokey")
    with opened() as store:
        stock = LoggedIO.write_put
        LoggedIO.write_put = lambda *words, **named: stock(*words, **named)
        found["another put"] = store.bulk() is not None
        LoggedIO.write_put = stock
        store.repository.storage_quota = 1 << 40
        found["quota"] = store.bulk() is not None
        store.repository.storage_quota = None
        del store.repository.put
        found["unread"] = store.bulk() is not None
    return found


def engine() -> dict[str, Any]:
    """The engine does so, and what it has saved can be restored."""
    begin("repokey-blake2")
    dice = random.Random(4)
    contents = [dice.randbytes(dice.randrange(2000)) for _ in range(400)] + [b"twice"] * 20
    made = [File(f"f{at:04}", 20 + at, data) for at, data in enumerate(contents)]
    code, said = Engine("x", frames_of(*made), program=("-c", COUNTED)).end()
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    text = borg("list", "--format", "{sha256}{NL}", "::x").split()
    wanted = [sha256(data).hexdigest() for data in contents]
    return {
        "code": code,
        "together": sum(line["count"] for line in lines if line["type"] == "bulk"),
        "same": [one for one in text if len(one) == 64] == wanted,
        "check": check(),
    }


CASES: dict[str, Callable[[], dict[str, Any]]] = {
    one.__name__: one for one in (same, broken, full, kinds, engine)
}

if __name__ == "__main__":
    os.environ.update(ENV)
    from borg.logger import setup_logging  # type: ignore[import-not-found]

    setup_logging(level="error")
    print(json.dumps(CASES[sys.argv[1]]()))
