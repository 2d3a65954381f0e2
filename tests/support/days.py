"""A client in memory, day by day, and what the guard says of each day's backup."""

from __future__ import annotations

import contextlib
import hashlib
import random
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

from borgpull import jobs
from borgpull.addresses import Target
from borgpull.borg.inside.manifest import HARD, HAS_SUM, PACKS
from borgpull.borg.inside.records import Record
from borgpull.borg.inside.wire import Stat
from borgpull.events import silent
from borgpull.jobs.parts import Access
from borgpull.ops import guarding
from borgpull.outputs.guard import Guard
from borgpull.places import Places
from borgpull.state import manifests

CLIENT = "web1"
MIB = 1 << 20
TEXT, PACKED = False, True  # is a content hard to compress?


@dataclass(frozen=True)
class File:
    content: str
    size: int = 2000
    hard: bool = TEXT
    fresh: bool = True  # does the next backup read it?


@dataclass
class Days:
    """The files of a client by their paths, and the folders that are mounts."""

    state: Path
    paths: tuple[str, ...] = ("/",)
    compression: str = "lz4"
    witnessed: bool = False  # a sum only of what is as it was, as by a witness
    files: dict[str, File] = field(default_factory=dict)
    folders: dict[str, int] = field(default_factory=dict)  # of all that stay: their device
    random: random.Random = field(default_factory=lambda: random.Random(7))
    day: int = 0

    def put(self, path: str, size: int = 2000, *, hard: bool = TEXT, content: str = "") -> None:
        self.files[path] = File(content or f"{path} {self.day}", size, hard)

    def many(self, folder: str, number: int, suffix: str = "", **more: Any) -> None:
        for at in range(number):
            self.put(f"{folder}/f{at}{suffix}", **more)

    def below(self, folder: str) -> list[str]:
        return [path for path in self.files if path.startswith(f"{folder}/")]

    def remove(self, folder: str) -> None:
        for path in self.below(folder):
            del self.files[path]

    def take(self, path: str) -> None:
        del self.files[path]

    def move(self, old: str, new: str) -> None:
        self.files[new] = replace(self.files.pop(old), fresh=True)

    def encrypt(self, paths: Sequence[str], suffix: str = "") -> None:
        for path in paths:
            size = self.files.pop(path).size + 300
            self.put(f"{path}{suffix}", size, hard=PACKED, content=f"{path} encrypted")

    def some(self, folder: str, number: int) -> list[str]:
        found = self.below(folder)
        return self.random.sample(found, min(number, len(found)))

    # --- the backup -------------------------------------------------------------------------------

    def backup(self, *, unreadable: int = 0, manifest: bool = True, client: str = CLIENT) -> Guard:
        """The guard's word on a backup of this day; the next day begins."""
        self.day += 1
        (self.state / "clients" / client).mkdir(parents=True, exist_ok=True)
        job = jobs.Backup(
            verb="stream",
            client=client,
            access=Access(target=Target(user="root", host="web1", port=22)),
            paths=self.paths,
            places=Places(state=str(self.state)),
            compression=self.compression,
        )
        saved: Any = {
            "archive": f"day{self.day}",
            "items": {"-": len(self.files), "d": len(self.folders)},
            "bytes": sum(one.size for one in self.files.values()),
            "files_read": sum(one.fresh for one in self.files.values()),
            "allowed_unreadable": ["/x"] * unreadable,
        }
        records = list(self.records())
        self.files = {path: replace(one, fresh=False) for path, one in self.files.items()}

        @contextlib.contextmanager
        def skimmed(*_: object) -> Iterator[manifests.Skimmed]:
            yield manifests.Skimmed(iter(records), self.witnessed, 1, len(records))

        found = Path("manifest") if manifest else None
        with (
            mock.patch.object(manifests, "skimmed", skimmed),
            mock.patch.object(manifests, "find", lambda *_: found),
        ):
            return guarding.watch(job, {"id": f"id{self.day}"}, saved, silent)

    def records(self) -> Iterator[Record]:
        """Depth first, as a manifest has them."""
        tree: dict[str, Any] = {}
        for path in [*self.folders, *self.files]:
            at = tree
            names = path.split("/")
            for name in names if path in self.folders else names[:-1]:
                at = at.setdefault(name, {})
            if path in self.files:
                at[names[-1]] = self.files[path]
        yield _record(".", 0, stat.S_IFDIR, device=1)
        yield from self._below(tree, "", 1, 1)

    def _below(
        self, tree: Mapping[str, Any], before: str, depth: int, device: int
    ) -> Iterator[Record]:
        for name, one in tree.items():
            path = f"{before}{name}"
            if isinstance(one, File):
                found = hashlib.sha256(one.content.encode()).digest()
                kind = HARD if one.hard else PACKS
                sum_: bytes | None = found
                flags = HAS_SUM | (kind if one.fresh else 0)
                if self.witnessed:
                    flags, sum_ = (0, None) if one.fresh else (HAS_SUM, found)
                time = int.from_bytes(found[:7])
                yield _record(path, depth, stat.S_IFREG, one.size, flags, sum_, device, time)
            else:
                there = self.folders.get(path, device)
                yield _record(path, depth, stat.S_IFDIR, device=there)
                yield from self._below(one, f"{path}/", depth + 1, there)


def _record(
    path: str,
    depth: int,
    kind: int,
    size: int = 0,
    flags: int = 0,
    sum_: bytes | None = None,  # of the content
    device: int = 1,
    time: int = 10**18,
) -> Record:
    st = Stat(kind | 0o755, 0, 0, 1, device, 9, size, time, 10**18, 0)
    return Record(path, depth, st, b"", flags, sum_, "")


def server(state: Path, **more: Any) -> Days:
    """A small server with a bit of all."""
    made = Days(state, **more)
    made.many("etc", 400)
    made.many("usr/bin", 600)
    made.many("usr/share/man", 300, ".gz", hard=PACKED)
    made.many("usr/lib/modules/6.1", 900, ".ko.zst", hard=PACKED)
    made.many("home/ann/docs", 900)
    made.many("home/ann/photos", 250, ".jpg", size=3 * MIB, hard=PACKED)
    made.many("home/bob", 150)
    made.many("home/ann/.cache/web", 700, hard=PACKED)
    made.many("home/ann/git/objects", 150, hard=PACKED)
    made.many("home/ann/mail/new", 20)
    made.put("var/lib/db/data", 800 * MIB)
    for at in range(20):
        made.put(f"var/log/log{at}", 50_000)
    return made
