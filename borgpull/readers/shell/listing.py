"""The listing of a client's tree by its `find`, in pieces; and the words that tell find to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

from borgpull.client.walk import glob_escape
from borgpull.jail.clientwalk import MOST_SAID, WalkBroken, complaint
from borgpull.jail.findings import MAX_TOLD, Finding
from borgpull.readers.child import BadAnswer, Ended
from borgpull.readers.shell.complaints import gone
from borgpull.readers.shell.records import Record, of_busybox, of_find

PIECE = 1 << 17  # bytes of one read
GREETING = b"\nborgpull-list\n"
MAX_REST = 1 << 20  # bytes of one record


def words(roots: Sequence[bytes], bars: dict[bytes, list[bytes | None]]) -> list[str]:
    """For find: walk `roots`, without what `bars` (as `hello.bars` makes them) leaves out."""
    out: list[list[str]] = []
    keep: list[list[str]] = []
    for folder, names in bars.items():
        top = glob_escape(os.fsdecode(folder))
        inside = [
            f"{top.rstrip('/')}/{glob_escape(os.fsdecode(name))}"
            for name in names
            if name is not None
        ]
        if None not in names:
            out += [["-path", path] for path in inside]
        elif not inside:
            keep.append(["-path", top])
        else:
            but = [word for path in inside for word in ("!", "-path", path)]
            but += [word for path in inside for word in ("!", "-path", f"{path}/*")]
            out.append(["-path", f"{top.rstrip('/')}/*", *but])
    found = [os.fsdecode(root) for root in roots]
    if out:
        found += ["(", *_any(out), ")", "-prune", "-o"]
    if keep:
        # What is kept empty is told, too: the last part of it always holds.
        found += ["(", "(", *_any(keep), ")", "-prune", "-o", "-path", "*", ")"]
    return found


def _any(parts: list[list[str]]) -> list[str]:
    return [word for part in parts for word in ("-o", "(", *part, ")")][1:]


class Listing:
    """What comes from find. `said` is its last words, once it is at its end.

    The other find starts shells. It does not tell if one was killed, and its names are missing. So
    it counts all names, and each shell tells how many it had.
    """

    def __init__(self, fd: int, kind: str) -> None:
        self.fd, self.ended = fd, False
        self._rest, self._begun = b"", False
        self.said = b""
        self._counted: int | None = None if kind == "find" else 0
        self._records = 0
        self._parse: Callable[[], Iterator[Record]] = (
            self._find if kind == "find" else self._busybox
        )

    def more(self) -> list[Record]:
        """Records of what comes next, of which there must be a part. Raises BadAnswer, Ended."""
        piece = os.read(self.fd, PIECE)
        self._rest += piece
        if not self._begun and GREETING in self._rest:
            self._begun, self._rest = True, self._rest.partition(GREETING)[2]
            if self._parse == self._busybox:
                self._rest = b"\n" + self._rest
        found = list(self._parse()) if self._begun else []
        if len(self._rest) > MAX_REST:
            raise BadAnswer("a record without end")
        if not piece and not self.ended:
            raise Ended("the client's find has ended too early")
        return found

    def _find(self) -> Iterator[Record]:
        *parts, self._rest = self._rest.split(b"\0")
        at = 0
        while at < len(parts) and not self.ended:
            if not parts[at]:
                if len(parts) - at < 2:
                    break
                self._end(parts[at + 1])
            elif len(parts) - at < 3:
                break
            else:
                yield of_find(*parts[at : at + 3])
                at += 3
        self._rest = b"\0".join([*parts[at:], self._rest])

    def _busybox(self) -> Iterator[Record]:
        *parts, self._rest = self._rest.split(b"\n//")
        for part in filter(None, parts):  # the first one is empty
            if part.startswith(b"\n") or self.ended:
                self._end(part[1:])
            elif part.startswith(b"="):
                self._count(part[1:])
            else:
                self._records += 1
                yield of_busybox(part)

    def _count(self, text: bytes) -> None:
        if not text.isdigit() or len(text) > 18:
            raise BadAnswer(f"no count: {text[:40]!r}")
        self._counted = (self._counted or 0) + int(text)

    def _end(self, text: bytes) -> None:
        self.ended, self.said = True, text

    def findings(
        self, wanted: Callable[[str], bool], lost: Sequence[tuple[bytes, str]] = ()
    ) -> Iterator[Finding]:
        """What find could not list, what is `lost` beside that, and how sure that is.

        `gone` is a name that was not there when its turn came. Raises WalkBroken.
        """
        *lines, last = self.said.strip(b"\n").split(b"\n")
        if self._counted is not None:
            names, last = last.split(), lines.pop() if lines else b""
            if names != [b"names", b"%d" % self._counted]:
                text = f"{_text(b' '.join(names))[:80]!r}, but {self._counted} were told"
                raise WalkBroken(f"find on the client has lost some of its {text}")
        if last not in (b"code 0", b"code 1"):
            raise WalkBroken(f"find on the client failed ({_text(last)[:80]})")
        for line in lines:
            yield from _complaint(line, wanted)
        by_stat = sum(b"stat: " in line for line in lines)
        if self._counted is not None and self._counted - self._records > by_stat:
            yield {"absent": "", "why": "stat has failed without a word"}
        if len(self.said) >= MOST_SAID:
            yield {"absent": "", "why": "find complains of more than it can tell"}
        if last == b"code 1" and not lines:
            yield {"absent": "", "why": "find has failed without a word"}
        for path, why in lost[:MAX_TOLD]:
            name = os.fsdecode(path.strip(b"/"))
            if wanted(name):
                yield {"absent": name, "why": why}
        more = {"names": len(lost)} if len(lost) > MAX_TOLD else {}
        # The other find does not tell that a folder's listing broke off.
        yield {"skew": 0.0, "more": more, "walked": True, "checked": self._counted is None}


def _complaint(line: bytes, wanted: Callable[[str], bool]) -> Iterator[Finding]:
    """An error line. A name that nobody can make out counts as there: it cannot be asked for."""
    path = gone(line)
    if path is not None:
        name = os.fsdecode(path.strip(b"/"))
        if wanted(name):
            yield {"gone": name}
        return
    about, _ = complaint(_text(line))
    name = (about or "").strip("/")
    if about is None or wanted(name):
        yield {"absent": name, "why": _text(line)}


def _text(line: bytes) -> str:
    return line.decode(errors="replace")
