"""In a container of our image: looks at a repository in every state that a writer leaves behind,
and looks beside writers. `python3 -m tests.support.looks_alone CASE` prints what it found as JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from borgpull import jobs
from borgpull.borg import repository as lists
from borgpull.borg.inside import replayed
from borgpull.errors import BorgpullError
from borgpull.events import Event
from borgpull.ops import browse, repository, restore, search
from borgpull.ops.workspace import open_borg
from borgpull.places import Places
from borgpull.restores.base import CHDIR
from borgpull.results import Result

BASE = Path("/tmp/looks-alone")  # in the container: whoever imports this makes nothing
REPOSITORY = BASE / "repo/c"
TREE, SECRET = BASE / "tree", BASE / "passphrase"
PLACES = Places(repo=f"{BASE}/repo", state=f"{BASE}/state", passphrase=str(SECRET))
ENV = {
    **os.environ,
    "BORG_BASE_DIR": f"{BASE}/stock",
    "BORG_REPO": str(REPOSITORY),
    "BORG_PASSPHRASE": "secret",
    "BORG_EXIT_CODES": "modern",
    "LC_ALL": "C.UTF-8",
}
FILES = ("index", "hints", "integrity")
SECOND = b"second" * 100_000
# Commits as often as it can. The disk is a slow one: it takes a while from a commit to its index,
# and from the index under another name to the index. Of ten archives nine are deleted again, and
# the repository is compacted.
WRITER = """
import itertools, os, sys, time
from borg.archiver import Archiver
from borg.repository import Repository
stock, replace, end = Repository.write_index, os.replace, time.monotonic() + float(sys.argv[1])
def write_index(self):
    time.sleep(0.03)
    stock(self)
def slow(old, new):
    time.sleep(0.03 * ("integrity." in str(old)))
    replace(old, new)
Repository.write_index, os.replace = write_index, slow
archiver = Archiver()
def run(*words):
    code = archiver.run(archiver.get_args(["borg", "--lock-wait", "60", *words], None))
    assert code == 0, (words, code)
for number in itertools.count():
    if time.monotonic() > end and number > 11:  # on a slow machine, too, some are deleted
        break
    with open("counted", "w") as file:
        file.write(str(number) * 5000)
    run("create", f"::{number}", "counted")
    if number % 10 == 9:
        run("delete", f"::{number - 9}", *map(str, range(number - 8, number)))
        run("compact", "--threshold", "0")
print(number)
"""


def borg(*words: str) -> str:
    done = subprocess.run(
        ["borg", *words], env=ENV, cwd=TREE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def made() -> None:
    """A repository with the archives `first` and `second`, and the files as of the first."""
    for folder in (TREE, BASE / "state", BASE / "before", BASE / "repo"):
        folder.mkdir(parents=True)
    SECRET.write_text("secret\n")
    (TREE / "a").write_text("first")
    (TREE / "same").write_bytes(os.urandom(3 << 20))
    borg("init", "--encryption", "repokey-blake2")
    borg("create", "::first", "a", "same")
    for path in _files():
        shutil.copy2(path, BASE / "before")
    (TREE / "a").write_bytes(SECOND)
    (TREE / "b").write_text("new")
    borg("create", "::second", "a", "b", "same")


def _files() -> list[Path]:
    return [path for path in REPOSITORY.iterdir() if path.name.split(".")[0] in FILES]


def put_back() -> None:
    """The second archive is committed, and its index not yet written."""
    for path in _files():
        path.unlink()
    for path in (BASE / "before").iterdir():
        shutil.copy2(path, REPOSITORY)


def without_hints() -> None:
    put_back()
    next(REPOSITORY.glob("hints.*")).unlink()


def damaged() -> None:
    """Besides, a writer has begun a segment."""
    put_back()
    (REPOSITORY / "data/0/99").write_bytes(b"BORG_SEG" + bytes(100))
    path = next(REPOSITORY.glob("index.*"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut() -> None:
    """The index of the last commit: there is nothing to be replayed behind it."""
    path = next(REPOSITORY.glob("index.*"))
    path.write_bytes(path.read_bytes()[:-1])


def without_all() -> None:
    for path in _files():
        path.unlink()


# With these looks at a repository in that state.
STATES: dict[Callable[[], None], tuple[str, ...]] = {
    put_back: ("list", "items", "find", "diff", "browse", "info", "restore", "misled"),
    without_hints: ("items",),
    damaged: ("items", "restore"),
    cut: ("items",),
    without_all: ("items",),
}


def names() -> dict[str, tuple[int, int]]:
    """What is in the repository: sizes and times, those of folders as well."""
    found = {}
    for path in (REPOSITORY, *REPOSITORY.rglob("*")):
        status = path.lstat()
        found[str(path)] = (status.st_size, status.st_mtime_ns)
    return found


class Told:
    """What a look has said."""

    def __init__(self) -> None:
        self.items: list[Any] = []

    def __call__(self, event: Event) -> None:
        if event.kind == "item":
            self.items.append(event.data.get("path") or event.data)


def _listed() -> Any:
    job = jobs.List(client="c", places=PLACES)
    return [row["name"] for row in repository.list_archives(job, Told()).data["archives"]]


def _items(look: Callable[[Any, Told], Result], kind: Callable[..., jobs.Job], **more: str) -> Any:
    told = Told()
    assert look(kind(client="c", places=PLACES, **more), told).ok
    return told.items


def _info() -> Any:
    job = jobs.Look(verb="info", client="c", places=PLACES)
    return repository.info(job, Told()).data["archives"]["latest"]


def _misled() -> Any:
    """An extract into the repository itself: not even that gets through."""
    one = open_borg(jobs.Look(verb="list", client="c", places=PLACES))
    there = one._replace(prefix=(*CHDIR, f"{REPOSITORY}/data"))
    return there.run("extract", "--bypass-lock", "::first", "a").stderr


def _restored() -> Any:
    into = BASE / "into"
    job = jobs.Restore(client="c", places=PLACES, archive="second", how="local", into=str(into))
    try:
        result = restore.run(job, Told())
        assert result.ok, result.failure
        return {path.name: path.stat().st_size for path in into.iterdir()}
    finally:
        shutil.rmtree(into, ignore_errors=True)


LOOKS: dict[str, Callable[[], Any]] = {
    "list": _listed,
    "items": lambda: _items(repository.list_archives, jobs.List, archive="second"),
    "find": lambda: _items(search.find, jobs.Find, pattern="b"),
    "diff": lambda: _items(search.diff, jobs.Diff, first="first", second="second"),
    "browse": lambda: _items(browse.run, jobs.Browse, archive="second"),
    "info": _info,
    "restore": _restored,
    "misled": _misled,
}


def states() -> dict[str, Any]:
    """What looks say of a repository in each state, and what has changed by them.

    After the first state a stock borg writes, and checks all.
    """
    made()
    shutil.copytree(REPOSITORY, BASE / "copy")
    found: dict[str, Any] = {}
    for state, looks in STATES.items():
        found[state.__name__] = _looked(state, looks)
        if len(found) == 1:
            borg("create", "::third", "a")
            borg("check", "--verify-data")
            found[state.__name__]["archives"] = borg("list", "--short").split()
    return found


def _looked(state: Callable[[], None], looks: tuple[str, ...]) -> dict[str, Any]:
    shutil.rmtree(REPOSITORY)
    shutil.copytree(BASE / "copy", REPOSITORY)
    state()
    before, said = names(), {}
    for look in looks:
        try:
            said[look] = LOOKS[look]()
        except (BorgpullError, AssertionError) as error:
            said[look] = str(error)
    after = names()
    changed = sorted(path for path in before | after if before.get(path) != after.get(path))
    return {"said": said, "changed": changed}


@contextmanager
def _writing(seconds: float) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-c", WRITER, str(seconds)]
    with subprocess.Popen(
        words, env=ENV, cwd=TREE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as writer:
        yield writer


def race(seconds: str) -> dict[str, Any]:
    """Looks beside writers for so long, and 12 archives: how many there were, and which failed."""
    made()
    failed: list[str] = []

    def looking(number: int) -> int:
        count = 0
        one = open_borg(jobs.Look(verb="list", client="c", places=PLACES))
        while writer.poll() is None:
            started = time.time()
            try:
                if number % 2:
                    got = [item["path"] for item in lists.items(one, "second")]
                    assert got == ["a", "b", "same"], got
                else:
                    got = [row["name"] for row in lists.archives(one)][:2]
                    assert got == ["first", "second"], got
            except (BorgpullError, AssertionError) as error:
                failed.append(f"{started}: {error}")
            count += 1
        return count

    with _writing(float(seconds)) as writer, ThreadPoolExecutor(2) as pool:
        counts = [pool.submit(looking, number) for number in range(2)]
        said, complained = writer.communicate()
    borg("check", "--verify-data")
    return {
        "looks": sum(count.result() for count in counts),
        "failed": failed,
        "writer": writer.returncode,
        "commits": said.strip(),
        "complained": complained[-2000:],
    }


def moving() -> dict[str, Any]:
    """Looks of one process, and each time a writer is just faster."""
    from borg.logger import setup_logging  # type: ignore[import-not-found]
    from borg.repository import LoggedIO, Repository  # type: ignore[import-not-found]

    setup_logging(level="warning")
    made()
    replayed.use(Repository)
    found: dict[str, Any] = {}

    def once(kind: Any, name: str, then: Callable[[Any], object]) -> None:
        """After the next call of a method, something happens before its caller goes on."""
        stock = getattr(kind, name)

        def call(self: Any, *args: Any) -> Any:
            setattr(kind, name, stock)
            answer = stock(self, *args)
            then(answer)
            return answer

        setattr(kind, name, call)

    (REPOSITORY / "data/0/99").write_bytes(b"BORG_SEG")
    once(LoggedIO, "get_latest_segment", lambda _: (REPOSITORY / "data/0/99").unlink())
    with Repository(str(REPOSITORY), lock=False) as one:
        once(Repository, "get_index_transaction_id", lambda _: borg("create", "::third", "b"))
        found["before"] = len(one)
        with Repository(str(REPOSITORY), lock=False) as other:
            found["after"] = len(other)
        borg("delete", "::first")
        borg("compact", "--threshold", "0")
        with Repository(str(REPOSITORY), lock=False) as other:
            ids = other.list()
        found["left"], found["got"] = len(ids), sum(bool(one.get(each)) for each in ids)
    return found


CASES: dict[str, Callable[..., dict[str, Any]]] = {"states": states, "race": race, "moving": moving}


if __name__ == "__main__":
    print(json.dumps(CASES[sys.argv[1]](*sys.argv[2:])))
