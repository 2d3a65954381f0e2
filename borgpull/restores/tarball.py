"""local, into a tar file of the server: borg export-tar here, and the file read back.

The file gets its name once it is whole. Its survey answers as the script client/survey.sh would
where the file were unpacked, so that plan and comparison are those of the other ways.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from borgpull import events
from borgpull.borg.command import Borg
from borgpull.borg.extract import Extracted
from borgpull.borg.tarnames import FILTERS, tar_filter
from borgpull.errors import NotRestored, TargetNotUsable, UsageError
from borgpull.events import Emit
from borgpull.model import JobSpec
from borgpull.process import Completed, pipe, running
from borgpull.restores import losses
from borgpull.restores.base import Order, Site, Watch
from borgpull.restores.tar import exporting

KINDS = {
    tarfile.DIRTYPE: stat.S_IFDIR,
    tarfile.SYMTYPE: stat.S_IFLNK,
    tarfile.FIFOTYPE: stat.S_IFIFO,
    tarfile.CHRTYPE: stat.S_IFCHR,
    tarfile.BLKTYPE: stat.S_IFBLK,
}
PLENTY = 1 << 62  # bytes; nobody knows what a filter leaves of them


@contextlib.contextmanager
def open_site(job: JobSpec, borg: Borg, folder: Path, emit: Emit) -> Iterator[Site]:
    """The file as it will be. Raises UsageError, TargetNotUsable."""
    path, program = Path(job.into), _program(job.into)
    _require_name_free(path, job.overwrite, emit)
    partial = path.with_name(f"{path.name}.partial-{secrets.token_hex(4)}")

    def survey(word: str, data: bytes) -> Completed:
        if word == "make":
            _make_folder(path.parent)
        whole = word == "verify"
        found = _read_back(path, program) if whole else {}
        names = data.partition(b"\n")[2].split(b"\0")[:-1]
        return Completed(0, _about(path, program, whole) + _lines(found, names), "")

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
            if done.failure is not None:  # nothing of a tar is any good then
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


def _about(path: Path, program: str, whole: bool) -> bytes:
    """What the survey says first. In a tar everybody may give files to anybody."""
    near = next(folder for folder in path.parents if folder.exists())
    disk = os.statvfs(near)
    free = f"{PLENTY} 1" if program else f"{disk.f_bavail} {disk.f_frsize}"
    lines = [
        "user 0 root",
        f"capabilities {'f' * 16}",
        f"state {'folder' if whole else 'missing'}",
        f"free {free} 0 0",  # of inodes it needs one
        *(["writable yes"] if near.is_dir() and os.access(near, os.W_OK) else []),
        "names ",
    ]
    return "".join(f"borgpull-{line}\n" for line in lines).encode()


def _lines(found: dict[str, str], names: Sequence[bytes]) -> bytes:
    """What the survey says of names: which are there, and a line of each."""
    lines = [found.get(name.decode(errors="surrogateescape")) for name in names]
    flags = "".join("0" if line is None else "1" for line in lines)
    return "\n".join([flags, *filter(None, lines), ""]).encode() if names else b""


def _read_back(path: Path, program: str) -> dict[str, str]:
    """A line for each name in the file. Raises NotRestored where it cannot be read to its end."""
    found: dict[str, str] = {}
    first: dict[str, tuple[int, int]] = {}  # size and a number, of what hard links may go to
    try:
        with _unpacked(path, program) as source, tarfile.open(fileobj=source, mode="r|") as tar:
            while member := tar.next():
                tar.members.clear()  # type: ignore[attr-defined]  # or all of them are kept
                found[member.name] = _line(member, first)
    except (tarfile.TarError, OSError) as error:
        raise NotRestored(f"{path} cannot be read back: {error}") from None
    return found


def _line(member: tarfile.TarInfo, first: dict[str, tuple[int, int]]) -> str:
    """As the survey's stat, and what a symlink points at; owners go by number."""
    name = member.linkname if member.islnk() else member.name
    size, number = first.setdefault(name, (member.size, len(first)))
    mode = KINDS.get(member.type, stat.S_IFREG) | member.mode
    target = f"/{os.fsencode(member.linkname).hex()}" if member.issym() else ""
    ids = f"{member.uid} {member.gid}"
    return f"{mode:x} {size} {int(member.mtime)} {ids} 0:{number} /{target}"


@contextlib.contextmanager
def _unpacked(path: Path, program: str) -> Iterator[IO[bytes]]:
    """The plain tar in a file. Raises OSError, NotRestored where the program fails."""
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
