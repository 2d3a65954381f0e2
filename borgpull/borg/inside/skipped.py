"""What a reader leaves out by the user's options: tagged folders, and other file systems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from borgpull.borg.inside.told import KEPT_PATHS
from borgpull.borg.inside.wire import MOUNT, TAG, BadFrame

MAX_MOUNTS = 10_000


@dataclass
class Skipped:
    """By the reader's word; paths as in the archive."""

    tagged: int = 0  # folders that hold a tag
    tagged_paths: list[str] = field(default_factory=list)  # the first KEPT_PATHS
    mounts: list[str] = field(default_factory=list)  # where other file systems begin

    def see(self, op: str, path: str, wanted: Sequence[str]) -> None:
        """Raises BadFrame if the user wants nothing of this kind left out."""
        if op not in wanted:
            raise BadFrame(f"{path[:99]!r} is left out, which nobody wanted")
        if op == TAG:
            self.tagged += 1
            self.tagged_paths += [path] if self.tagged <= KEPT_PATHS else []
        elif op == MOUNT:
            self.mounts.append(path)
            if len(self.mounts) > MAX_MOUNTS:
                raise BadFrame("mounts without end")

    def parts(self) -> Iterator[Skipped]:
        """The same in parts that are added up: no line of our own may be as long as all paths."""
        yield Skipped(self.tagged)
        yield from (Skipped(tagged_paths=[path]) for path in self.tagged_paths)
        yield from (Skipped(mounts=[path]) for path in self.mounts)

    def add(self, part: Skipped) -> None:
        self.tagged += part.tagged
        self.tagged_paths += part.tagged_paths
        self.mounts += part.mounts
