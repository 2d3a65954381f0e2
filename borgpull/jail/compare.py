"""Compare an archive with the client's tree, both ways: `python3 -m borgpull.jail.compare`.

Runs in the jail, in the client's tree, which is mounted afresh. It reads the rows of
`borg.inside.exact` on standard input, and lists each folder of the archive on the client. It prints
one JSON line for each finding:

- `differs`: a file whose size, time or type is not the archived one. sshfs turns a remote read
  error into an early end of file (libfuse/sshfs#224). borg archives such a shortened file with
  exit code 0. It is found here.
- `absent`: a name on the client that should be in the archive, but is not. `came`: the same, but
  its folder has changed since borg saw it. `denied`: the client's own walk has it, and SFTP does
  not know it.
- `unnameable`: a folder so deep that SFTP cannot name all that may be in it.

The last line has the counts. `--plan FD` names a file with the plan (JSON), `--walk FD` what the
client's own walk sends (`clientwalk`). Names are printed as JSON, which carries each byte.
"""

from __future__ import annotations

import argparse
import json
import os
import stat
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from borgpull.jail.clientwalk import ClientWalk, WalkBroken, beyond
from borgpull.jail.findings import CLOCK_SECONDS, MAX_TOLD, Finding
from borgpull.jail.wanted import Known, Plan, Tree, lies_in_any

# Listings at once: several hide the round trip, but must not crowd the client's sftp-server.
WORKERS = 8
# OpenSSH's sftp-server names an entry by its whole path, in 4,096 bytes with a NUL.
LONGEST_PATH, LONGEST_NAME = 4095, 255
# The latest time in borg 1.x (borg/helpers/time.py, 1.4.5). It stores a later time as this one.
MAX_SECONDS = 2**31 - 1 - 48 * 3600


@dataclass
class Folder:
    """A folder and what the archive has in it: type, size and mtime (ns) by name.

    These are no Items (trees/item.py): a folder may have a million names, and nothing else of them
    is compared.
    """

    path: str
    mtime: int | None  # None if the folder itself is no item of the archive
    items: dict[str, tuple[str, int, int]] = field(default_factory=dict)


def rows(lines: Iterable[bytes]) -> Iterator[tuple[str, str, int, int]]:
    """Path, type, size and mtime of each item, from the lines of `borg.inside.exact`."""
    for line in lines:
        for path, mode, size, mtime, *_ in json.loads(line):
            yield path, mode[0], size, mtime


def folders(items: Iterable[tuple[str, str, int, int]]) -> Iterator[Folder]:
    """Each folder with all that is in it, as soon as borg's walk has left it.

    borg walks depth first, so only the folders above the present item are open at any time.
    """
    opened: list[Folder] = []
    for path, kind, size, mtime in items:
        if path == ".":
            opened.append(Folder("", mtime))
            continue
        parent, _, name = path.rpartition("/")
        while opened and opened[-1].path != parent:
            yield opened.pop()
        if not opened:
            opened.append(Folder(parent, None))
        opened[-1].items[name] = (kind, size, mtime)
        if kind == "d":
            opened.append(Folder(path, mtime))
    yield from reversed(opened)


class Comparison:
    """Compares folder by folder, in several threads."""

    def __init__(self, plan: Plan, walk: ClientWalk | None) -> None:
        self.plan, self._walk = plan, walk
        self._skew: Future[float | None] = Future()
        self._counts: Counter[str] = Counter()
        self._told: Counter[str] = Counter()
        self._known = Known()
        self._bytes = 0

    def run(self, lines: Iterable[bytes]) -> Iterator[Finding]:
        """Findings, then the counts. Raises OSError, WalkBroken."""
        with ThreadPoolExecutor(WORKERS + 1) as pool:
            self._skew = pool.submit(lambda: self._walk.header() if self._walk else None)
            waiting: list[Future[list[Finding]]] = []
            for folder in folders(self._noted(rows(lines))):
                waiting.append(pool.submit(self._folder, folder))
                while len(waiting) > 4 * WORKERS:
                    yield from self._told_of(waiting.pop(0).result())
            for future in waiting:
                yield from self._told_of(future.result())
            skew = self._skew.result()
        tree = Tree(self.plan, self._known)
        if self._walk is not None and skew is not None:
            names = beyond(self._walk, tree, self.plan.wanted, seen_by_find)
            yield from self._told_of(names)
        os.stat(".")  # the mount must still answer, even if the archive holds nothing
        with os.scandir(".") as entries:
            next(entries, None)
        walked = skew is not None and tree.walked()
        more = {kind: count for kind, count in self._told.items() if count > MAX_TOLD}
        yield {
            "counts": {kind: n for kind, n in self._counts.items() if kind != "times"},
            "bytes": self._bytes,
            "times": self._counts["times"],
            "skew": skew,  # None: the client has not walked its tree itself
            "walked": walked,  # has it come past all named paths?
            "checked": walked and self._walk is not None and self._walk.tells_breaks,
            "more": more,
        }

    def _noted(
        self, items: Iterable[tuple[str, str, int, int]]
    ) -> Iterator[tuple[str, str, int, int]]:
        for item in items:
            path, kind, size, _ = item
            self._counts[kind] += 1
            self._bytes += size if kind == "-" else 0
            self._known.add(path)
            yield item

    def _told_of(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        for finding in findings:
            if times := finding.get("times"):
                self._counts["times"] += times
                continue
            kind = next(iter(finding))
            self._told[kind] += 1
            if kind in ("absent", "came", "denied"):
                self._known.add(finding[kind])
            if self._told[kind] <= MAX_TOLD:
                yield finding

    def _folder(self, folder: Folder) -> list[Finding]:
        if folder.path in self.plan.skipped and not folder.items:
            return []
        try:
            return self._listed(folder)
        except (FileNotFoundError, NotADirectoryError):
            return [gone(folder, name) for name, item in folder.items.items() if item[0] == "-"]
        except OSError as error:
            if lies_in_any(folder.path, self.plan.allowed) and not folder.items:
                return []
            name = f"/{folder.path}"
            raise OSError(error.errno, f"{name} cannot be listed: {error.strerror}") from None

    def _listed(self, folder: Folder) -> list[Finding]:
        found: list[Finding] = []
        strangers: list[str] = []
        left, times = dict(folder.items), 0
        with os.scandir(folder.path or ".") as entries:
            for entry in entries:
                try:
                    info = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                item = left.pop(entry.name, None)
                if item is None:
                    if not stat.S_ISSOCK(info.st_mode):  # borg saves no socket
                        strangers.append(entry.name)
                    continue
                times += not 0 <= info.st_mtime <= MAX_SECONDS
                if differs(item, info):
                    found.append(difference(join(folder.path, entry.name), item, info))
        found += [gone(folder, name) for name, item in left.items() if item[0] == "-"]
        if folder.mtime is not None:
            if strangers:
                found += self._strangers(folder, strangers)
            deep = len(os.fsencode(folder.path)) + 2 + LONGEST_NAME > LONGEST_PATH
            if deep and self.plan.wanted(folder.path):
                found.append({"unnameable": folder.path})
        return [*found, {"times": times}] if times else found

    def _strangers(self, folder: Folder, names: list[str]) -> list[Finding]:
        """Names on the client that are missing in one of the archive's folders.

        If the folder has not changed since borg saw it, the names were there then.
        """
        paths = [join(folder.path, name) for name in names]
        paths = [path for path in paths if self.plan.wanted(path)]
        if not paths:
            return []
        now = archivable(os.stat(folder.path or ".", follow_symlinks=False).st_mtime_ns)
        since = self.plan.started + (self._skew.result() or 0.0) - CLOCK_SECONDS
        quiet = now == folder.mtime and now < since * 1e9
        return [{"absent" if quiet else "came": path} for path in paths]


def seen_by_find(path: str) -> Finding | None:
    """Of a name that SFTP's listings have not: None if borg would not save it, either."""
    try:
        return None if stat.S_ISSOCK(os.lstat(path).st_mode) else {"came": path}
    except (FileNotFoundError, NotADirectoryError):
        return {"denied": path}  # it may be gone again: the client's shell will tell
    except OSError as error:
        return {"absent": path, "why": f"by SFTP: {error.strerror}"}


def join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def archivable(mtime: int) -> int:
    """A time (ns) as borg stores it."""
    return min(max(mtime, 0), MAX_SECONDS * 10**9)


def differs(item: tuple[str, int, int], info: os.stat_result) -> bool:
    kind, size, mtime = item
    if stat.filemode(info.st_mode)[0] != kind:
        return True
    return kind == "-" and (size, mtime) != (info.st_size, archivable(info.st_mtime_ns))


def difference(path: str, item: tuple[str, int, int], info: os.stat_result) -> Finding:
    finding = {"differs": path, "archived": item[1], "mtime": item[2]}
    if stat.S_ISREG(info.st_mode) and item[0] == "-":
        return {**finding, "now": info.st_size, "now_mtime": archivable(info.st_mtime_ns)}
    return {**finding, "now": None}


def gone(folder: Folder, name: str) -> Finding:
    _, size, mtime = folder.items[name]
    return {"differs": join(folder.path, name), "archived": size, "mtime": mtime, "now": None}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--plan", type=int, required=True)
    parser.add_argument("--walk", type=int)
    options = parser.parse_args()
    with os.fdopen(options.plan, "rb") as file:
        plan = Plan(**json.load(file))
    walk = None if options.walk is None else ClientWalk(options.walk)
    try:
        for finding in Comparison(plan, walk).run(sys.stdin.buffer):
            print(json.dumps(finding))
    except OSError as error:
        sys.exit(error.strerror or str(error))
    except WalkBroken as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
