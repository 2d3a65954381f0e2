"""The engine of `stream` (`inside/stream.py`) as a child: started early, told what to do, and held
until the archive has its name."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any

from borgpull.borg import loading, messages
from borgpull.borg.command import Borg
from borgpull.borg.create import Created, Order, watch
from borgpull.borg.inside.listed import LISTED_LINE
from borgpull.borg.inside.readback import READ_BACK_LINE, ReadBack
from borgpull.borg.inside.reads import Reads
from borgpull.borg.inside.skipped import Skipped
from borgpull.borg.inside.told import (
    CUT,
    DAMAGED,
    HOSTILE,
    LANES_LINE,
    READ_LINE,
    READS_LINE,
    SAVED_LINE,
    SKIPPED_LINE,
)
from borgpull.borg.loading import Loading, Pipes
from borgpull.borg.repository import with_offset
from borgpull.errors import BorgFailed, HostileClient, RepositoryDamaged
from borgpull.events import Emit
from borgpull.outputs.backups import Reread
from borgpull.process import CommandError, Running, Stream, pipe, running
from borgpull.secrets import as_fd

# How the engine's own lines begin; borg's have other types.
_OWN = b'{"type": "borgpull_'
# With these, it opens repository and cache before its orders.
_EARLY = ("--list", "--json", "--progress", "::early", "--", "/")
_END_SECONDS = 10.0
MAX_LINE = 64 << 20  # bytes of a line of its own: names of a client may be long


@dataclass
class Report:
    """What the engine has read, by its own word; `inside/stream.py` fills it in."""

    name: str
    code: int
    items: dict[str, int]
    statuses: dict[str, int]  # of items, by borg's letters; not each unchanged file is in it
    read: list[str]  # the first KEPT_PATHS of the files that were read
    bytes: int
    times: int
    named: dict[str, tuple[str, bool]]
    received: int
    reread: Reread | None


class Cut(BorgFailed):
    """The stream from the client has ended too early. Internal: the caller knows why it has."""


class Engine:
    """An engine that waits for its orders. Its lines end where the archive waits for its name."""

    def __init__(self, loaded: Loading, client: str) -> None:
        self.child, self._tell, self._client = loaded.process, loaded.tell, client
        self.answers, self.requests = loaded.ours
        self.lanes = loaded.lanes
        # Opens more channels to the helper that answers to a call, as many as there are `lanes`.
        self.more: Callable[[str], object] = lambda _call: None
        self._lines = _whole(self.child.lines())
        self.report: Report | None = None
        self.row: dict[str, Any] | None = None  # of the saved archive, read anew
        self.skipped, self.reads = Skipped(), Reads()
        self.read_back: ReadBack | None = None  # what it has read back of what it wrote
        self.ordered = False

    def listing(self) -> list[dict[str, Any]] | None:
        """The archives, as `repository.archives` has them, of an engine that has opened all early.

        None if it has ended: whoever asks borg will learn why.
        """
        found: list[dict[str, Any]] = []
        before: list[tuple[Stream, bytes]] = []
        for item in self._lines:
            line = json.loads(item[1]) if item is not None and _is_own(item) else {}
            if line.get("type") == LISTED_LINE:
                found += [{**row, "time": with_offset(row["time"])} for row in line["archives"]]
                if not line["more"]:
                    self._lines = chain(before, self._lines)
                    return found
            elif item is not None:
                before.append(item)
        self._lines = iter(before)
        return None

    def lines(self) -> Iterator[tuple[Stream, bytes] | None]:
        for item in self._lines:
            if not _is_own(item):
                yield item
                continue
            assert item is not None
            found = json.loads(item[1])
            kind = found.pop("type")
            if kind == READ_LINE:
                self.report = Report(**found)
                return
            self._take(kind, found)

    def _take(self, kind: str, found: dict[str, Any]) -> None:
        """A line of the engine's own."""
        if kind == SAVED_LINE:
            self.row = {**found, "time": with_offset(found["time"])}
        elif kind == SKIPPED_LINE:
            self.skipped.add(Skipped(**found))
        elif kind == READ_BACK_LINE:
            self.read_back = ReadBack(**found)
        elif kind == READS_LINE:
            self.reads.add(found)
        elif kind == LANES_LINE:
            self.more(found["call"])

    def wait(self, timeout: float) -> int:
        return self.report.code if self.report is not None else self.child.wait(timeout)

    def order(
        self,
        argv: Sequence[str],
        roots: Sequence[str],
        named: Sequence[str],
        *,
        compares: bool,
        read_back: int,
        began: int | None,
        unseen: int | None,
        reread: dict[str, Any] | None = None,
        manifest: dict[str, Any] | None = None,
        rate: int | None = None,
        may_skip: Sequence[str] = (),
        view: dict[str, Any] | None = None,
    ) -> None:
        """Let it begin. From here on, only the child has the pipes to the client.

        `compares`: can the reader compare a file with hashes of its pieces? One of `read_back`
        new chunks is read back. The run `began` at that Unix time by the client's clock. From
        `unseen` (ns) on, a file may change unseen (`inside/unseen.py`). `reread`
        and `manifest` are orders as `state/rereads.py` and `state/manifests.py` make them. `rate`
        is in bytes a second. `may_skip` are reasons of `inside/skipped.py`. `view` is as
        `inside/brief.py` has it.
        """
        self.ordered = True
        self.answers.close()
        self.requests.close()
        more: dict[str, Any] = {"roots": list(roots), "named": list(named)}
        more |= {"compares": compares, "reread": reread, "manifest": manifest}
        more |= {"read_back": read_back, "began": began or 0, "rate": rate}
        more |= {"may_skip": list(may_skip), "unseen": unseen, "view": view}
        self._tell({"argv": list(argv), **more})

    def why(self, error: BorgFailed) -> BorgFailed | HostileClient | RepositoryDamaged:
        """The error of a failed engine: borg does not know some of them."""
        code = self.child.popen.returncode
        said = [messages.parse(line.encode()) for line in self.child.tail]
        last = next(
            (str(line["message"]) for line in reversed(said) if line and "message" in line), ""
        )
        if code == HOSTILE:
            return HostileClient(f"{self._client} sends what no helper of ours sends: {last[:300]}")
        if code == DAMAGED:
            hint = "the memory or the disk of this server may be bad: test them before the next run"
            return RepositoryDamaged(last, hint=hint)
        return Cut(last) if code == CUT else error

    def save(self, name: str, emit: Emit, *, verified: bool) -> Created:
        """Give the archive its name, and save it. Raises borg's errors."""
        assert self.report is not None
        self.report = None
        self._tell({"name": name, "verified": verified})
        return watch(self, self._client, Order(archive=name), alive=lambda: True, emit=emit)


def _whole(
    lines: Iterator[tuple[Stream, bytes] | None],
) -> Iterator[tuple[Stream, bytes] | None]:
    """The same, but a long line of the engine's own does not come in pieces. Raises BorgFailed."""
    rest = b""
    for item in lines:
        if item is None or item[0] != "stderr" or not (rest or _is_own(item)):
            yield item
            continue
        rest += item[1]
        if len(rest) > MAX_LINE:
            raise BorgFailed("borg tells a line without end")
        if rest.endswith(b"\n"):
            yield "stderr", rest
            rest = b""


def _is_own(item: tuple[Stream, bytes] | None) -> bool:
    return item is not None and item[0] == "stderr" and item[1].startswith(_OWN)


@contextlib.contextmanager
def started(
    borg: Borg, marks: Path, *, early: bool
) -> Iterator[tuple[Engine, IO[bytes], IO[bytes]]]:
    """An engine, and the client's ends of its pipes: where requests come from, and answers go.

    Engines of all clients share the folder `marks`.
    An `early` one opens the repository and the cache before its orders, and lists the archives.
    """
    words = borg.words("create", *_EARLY) if early else []
    with loading.taken() as loaded:
        loaded.begin(borg.env(None), borg.passphrase, words, str(marks))
        engine = Engine(loaded, borg.client)
        try:
            yield engine, *loaded.theirs
        finally:
            if early and not engine.ordered:
                # A SIGTERM while it frees borg's lock would leave the lock.
                assert engine.child.popen.stdin is not None
                engine.child.popen.stdin.close()
                with contextlib.suppress(CommandError):
                    engine.child.wait(_END_SECONDS)


@contextlib.contextmanager
def child(
    borg: Borg,
    program: Sequence[str],
    name: str,
    env: Mapping[str, str] | None = None,
) -> Iterator[tuple[Running, Pipes, Pipes]]:
    """A program that is to talk to a reader: our ends of its pipes, and the reader's.

    It loads its code meanwhile. It ends with this block, in any case.
    """
    with (
        pipe() as (answers, for_answers),
        pipe() as (from_requests, requests),
        as_fd(borg.passphrase) as secret,
    ):
        fds = (answers.fileno(), requests.fileno())
        own = () if secret is None else (secret,)
        with running(
            [*program, *map(str, fds)],
            name=name,
            env={**borg.env(secret), **(env or {})},
            pass_fds=(*fds, *own),
            stdin=subprocess.PIPE,
        ) as process:
            try:
                yield process, (answers, requests), (from_requests, for_answers)
            finally:
                assert process.popen.stdin is not None
                with contextlib.suppress(BrokenPipeError):
                    process.popen.stdin.close()
