"""local, into a tar file of the server: borg export-tar here, and the file read back.

The file gets its name once it is whole. Its survey shows its members as if they were unpacked, so
plan and comparison are the same as for the other ways.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import tarfile
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

from borgpull import events
from borgpull.borg.command import Borg
from borgpull.borg.extract import Extracted
from borgpull.borg.tarnames import FILTERS, tar_filter
from borgpull.errors import NotRestored, TargetNotUsable, UsageError
from borgpull.events import Emit
from borgpull.jobs import Restore
from borgpull.process import pipe, running
from borgpull.restores.base import Order, Site, Watch, Word
from borgpull.restores.tar import exporting
from borgpull.trees import losses
from borgpull.trees.item import SECOND, Item
from borgpull.trees.packed import Packed
from borgpull.trees.survey import Ground

KINDS = {
    tarfile.DIRTYPE: stat.S_IFDIR,
    tarfile.SYMTYPE: stat.S_IFLNK,
    tarfile.FIFOTYPE: stat.S_IFIFO,
    tarfile.CHRTYPE: stat.S_IFCHR,
    tarfile.BLKTYPE: stat.S_IFBLK,
}
MAX_SIZE = 2**63 - 1  # a damaged file may claim any size
PLENTY = 1 << 62  # bytes; the size of a compressed tar is not known before


@contextlib.contextmanager
def open_site(job: Restore, borg: Borg, folder: Path, emit: Emit) -> Iterator[Site]:
    """The tar file as a target. Raises UsageError, TargetNotUsable."""
    path, program = Path(job.into), _program(job.into)
    members: _Members | None = None
    _require_name_free(path, job.overwrite, emit)
    partial = path.with_name(f"{path.name}.partial-{secrets.token_hex(4)}")

    def survey(word: Word, places: Sequence[str]) -> Ground:
        nonlocal members
        if word == "make":
            _make_folder(path.parent)
        if word != "verify":
            return _ground(path, program)
        if members is None:  # read once, although names are asked for in batches
            members = _read_back(path, program)
        return replace(_ground(path, program), state="folder", found=members.found(places))

    def extract(order: Order, watch: Watch) -> Extracted:
        filter_ = ("--tar-filter", program) if program else ()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        try:
            sink = os.fdopen(os.open(partial, flags, 0o600), "wb", 0)
        except OSError as error:
            raise TargetNotUsable(f"cannot write {partial}: {error.strerror}") from None
        with sink:
            with exporting(borg, order, folder / "patterns", sink, *filter_) as child:
                done = watch(child)
            if done.failure is not None:  # half of a tar is of no use
                raise done.failure
            os.fsync(sink.fileno())
        partial.replace(path)
        return done

    try:
        yield Site(
            name=job.into,
            folder=job.into,
            alive=lambda: True,
            survey=survey,
            extract=extract,
            losses=losses.BY_TAR,
        )
    finally:
        partial.unlink(missing_ok=True)


def _program(name: str) -> str:
    """The program that packs a file of this name; "" for none. Raises UsageError."""
    program = tar_filter(name) or ""
    if program and shutil.which(program) is None:
        works = [suffix for suffix, one in FILTERS.items() if not one or shutil.which(one)]
        raise UsageError(
            f"there is no {program} here for {name}", hint=f"what works here: {', '.join(works)}"
        )
    return program


def _require_name_free(path: Path, overwrite: str, emit: Emit) -> None:
    """Raises TargetNotUsable."""
    if path.is_dir():
        raise TargetNotUsable(f"{path} is a folder", hint="name a file in it, or another folder")
    if path.exists() or path.is_symlink():
        if overwrite != "always":
            raise TargetNotUsable(
                f"{path} is there", hint="name another file; --overwrite always replaces it"
            )
        events.note(emit, f"{path} will be replaced")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TargetNotUsable(f"cannot make {folder}: {error.strerror}") from None


def _ground(path: Path, program: str) -> Ground:
    """The folder of the file. A tar can hold any owner, so the user counts as root."""
    near = next(folder for folder in path.parents if folder.exists())
    disk = os.statvfs(near)
    return Ground(
        state="missing",
        writable=near.is_dir() and os.access(near, os.W_OK),
        free_bytes=PLENTY if program else disk.f_bavail * disk.f_frsize,
        uid=0,
        user="root",
        capabilities=~0,
    )


class _Members:
    """The members of a tar file, by name, all at once."""

    def __init__(self) -> None:
        self._items: Packed[Item] = Packed(Item._make)
        self._sizes = array("q")
        self._at: dict[int, int] = {}  # by the hash of the name

    def add(self, member: tarfile.TarInfo) -> None:
        """Owners have numbers only. A hard link gets size and inode of its first name."""
        first = hash(member.linkname if member.islnk() else member.name)
        size = self._sizes[self._at[first]] if member.islnk() and first in self._at else member.size
        self._at[hash(member.name)] = len(self._items)
        self._sizes.append(min(size, MAX_SIZE))
        item = Item(
            path=member.name,
            mode=stat.filemode(KINDS.get(member.type, stat.S_IFREG) | member.mode & 0o7777),
            size=size,
            mtime_ns=int(member.mtime) * SECOND,
            uid=member.uid,
            gid=member.gid,
            target=member.linkname if member.issym() else None,
            inode=str(first),
        )
        self._items.add(item)

    def found(self, places: Sequence[str]) -> dict[str, Item]:
        known = ((self._at.get(hash(place)), place) for place in places)
        by_index = sorted((index, place) for index, place in known if index is not None)
        items = self._items.some(index for index, _ in by_index)
        return {place: item for (_, place), item in zip(by_index, items, strict=True)}


def _read_back(path: Path, program: str) -> _Members:
    """Read the file to its end. Raises NotRestored if that fails."""
    found = _Members()
    try:
        with _unpacked(path, program) as source, tarfile.open(fileobj=source, mode="r|") as tar:
            while member := tar.next():
                tar.members.clear()  # type: ignore[attr-defined]  # else it keeps them all
                found.add(member)
    except (tarfile.TarError, OSError) as error:
        raise NotRestored(f"{path} cannot be read back: {error}") from None
    return found


@contextlib.contextmanager
def _unpacked(path: Path, program: str) -> Iterator[IO[bytes]]:
    """The plain tar in a file. Raises OSError, or NotRestored if the program fails."""
    with path.open("rb") as file:
        if not program:
            yield file
            return
        with (
            pipe() as (plain, inner),
            running([program, "-d", "-c"], name=program, stdin=file, stdout=inner) as child,
        ):
            inner.close()
            yield plain
            while plain.read(1 << 20):
                pass
            if child.wait(60) != 0:
                raise NotRestored(f"{path} cannot be read back: {child.stderr()[-200:]}")
