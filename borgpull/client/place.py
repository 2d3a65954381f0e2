"""Our folder on the client while a run lasts: a runtime, borg's cache, and an end to both."""

from __future__ import annotations

import contextlib
import errno
import gzip
import json
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from borgpull.client.setup import Facts, as_root, clean_up
from borgpull.errors import ClientUnsuitable, ConfigError, ConnectionLost
from borgpull.process import CommandError, Completed, pipe, running
from borgpull.ssh.session import Session, lost

RUNTIME = Path("/usr/local/share/borgpull/runtime.tar.gz")
STREAM_SECONDS = 3600.0
# No cache of borg is this large; a client that sends without end must not fill our volume.
MAX_CACHE = 16 << 30


@dataclass
class Place:
    """The folder `facts.folder` of a client, for as long as the run lasts."""

    session: Session
    facts: Facts
    sudo: bool
    runtime_is_there: bool = False

    @property
    def folder(self) -> str:
        return self.facts.folder

    def command(self, name: str, *words: str) -> list[str]:
        """A command line that runs one of our scripts there, as the user who is to read the files.

        `words` are simple: they pass through whatever login shell the user has.
        """
        return self.session.command(*as_root(self.sudo), "sh", f"{self.folder}/{name}", *words)

    def shell(self, line: str) -> Completed:
        """A short command, by the user who is to read the files. Raises ConnectionLost."""
        return self.session.run(*as_root(self.sudo), "sh", "-c", shlex.quote(line))

    def stream_runtime(self) -> None:
        """Send the runtime, unless the same is there. Raises ClientUnsuitable, ConnectionLost."""
        if self.runtime_is_there:
            return
        about = self.fitting_runtime()
        if self.facts.runtime != about["files_sha256"]:
            self._send_runtime(about)
        self.runtime_is_there = True

    def _send_runtime(self, about: dict[str, Any]) -> None:
        packed = "gzip" in self.facts.has
        filter_ = ("gzip", "-dc") if packed else ("cat",)
        argv = self.command("tool", "unpack", str(about["files_sha256"]), *filter_)
        with _runtime_tar(packed) as source:
            code, text = self._stream(argv, stdin=source)
        if code != 0:
            raise ClientUnsuitable(
                f"the runtime could not be unpacked in {self.folder}: {text or f'code {code}'}",
                hint="look at the space and the tools (tar, sha256sum) of the client, "
                "or name a borg of its own by --client-borg",
            )

    def fitting_runtime(self) -> dict[str, Any]:
        """The facts of our runtime, if it can run there. Raises ClientUnsuitable."""
        about = runtime_facts()
        ours = f"Linux {about['machine']}"
        if self.facts.machine != ours:
            raise ClientUnsuitable(
                f"the client is {self.facts.machine or 'unknown'}, our runtime is for {ours}",
                hint="install borg there and name it by --client-borg, run a sidecar image of "
                "the client's architecture, or use sshfs, which takes any",
            )
        lacks = sorted({"tar", "sha256sum"} - self.facts.has)
        if lacks:
            raise ClientUnsuitable(
                f"the client has no {' and no '.join(lacks)} to unpack our runtime with",
                hint="install borg there and name it by --client-borg, or use sshfs",
            )
        return about

    def _stream(
        self,
        argv: list[str],
        *,
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        sink: Callable[[bytes], None] | None = None,
    ) -> tuple[int, str]:
        """Exit code and last message; output goes to `sink`. Raises ConnectionLost."""
        with (
            pipe() as (output, inner),
            running(argv, name="ssh", stdin=stdin, stdout=inner, grace=2) as child,
        ):
            inner.close()
            while block := output.read(1 << 20):
                if sink is not None:
                    sink(block)
            try:
                code = child.wait(STREAM_SECONDS)
            except CommandError as error:
                raise ConnectionLost(f"{self.session.config.target}: {error}") from None
            text = (child.stderr().strip().splitlines() or [""])[-1][:200]
        if lost(self.session.alive, code):
            raise ConnectionLost(f"the connection to {self.session.config.target} broke")
        return code, text

    def put(self, name: str, content: bytes) -> None:
        """A small file in our folder. Raises ConnectionLost, ClientUnsuitable."""
        with tempfile.TemporaryFile() as file:
            file.write(content)
            file.seek(0)
            code, text = self._stream(self.command("tool", "put", name), stdin=file)
        if code != 0:
            raise ClientUnsuitable(f"cannot write in {self.folder} on the client: {text}")

    def bring_cache(self, saved: Path) -> None:
        """Give the client back what its borg has learnt, unless it has it still."""
        if self.facts.cache or not saved.exists() or "tar" not in self.facts.has:
            return
        with saved.open("rb") as file:
            # One that does not arrive whole is not taken, which costs time only.
            self._stream(self.command("tool", "take"), stdin=file)

    def fetch_cache(self, saved: Path) -> None:
        """Keep the client's cache here, as it comes: it is never unpacked on this side.

        Raises ConfigError where it cannot be written.
        """
        if "tar" not in self.facts.has:
            return
        fresh = saved.with_name(saved.name + ".new")
        try:
            saved.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with os.fdopen(
                os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb"
            ) as file:
                code, _ = self._stream(self.command("tool", "give"), sink=limited(file))
            if code == 0:
                fresh.replace(saved)
        except OSError as error:
            raise ConfigError(f"cannot keep the client's cache: {error.strerror}") from None
        finally:
            fresh.unlink(missing_ok=True)

    def leave(self, *, keep: bool) -> None:
        """Remove the folder, or all of it but runtime and cache. Raises Interrupted.

        Where it fails otherwise, the next run can do it.
        """
        clean_up(lambda: self._stream(self.command("tool", "keep" if keep else "leave"))[0])


def limited(file: IO[bytes]) -> Callable[[bytes], None]:
    """Write to a file, up to MAX_CACHE. Raises OSError beyond."""

    def write(block: bytes) -> None:
        if file.tell() + len(block) > MAX_CACHE:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        file.write(block)

    return write


def runtime_facts() -> dict[str, Any]:
    """What the image's build wrote of the runtime. Raises ClientUnsuitable where there is none."""
    try:
        about = json.loads(RUNTIME.with_name("runtime.json").read_text())
    except (OSError, ValueError):
        raise ClientUnsuitable(
            "there is no runtime for clients here",
            hint="run in the image borgpull, or name the client's own borg by --client-borg",
        ) from None
    return dict(about)


@contextlib.contextmanager
def _runtime_tar(packed: bool) -> Iterator[IO[bytes]]:
    """The packed runtime, or the plain one by way of a temporary file."""
    if packed:
        with RUNTIME.open("rb") as file:
            yield file
        return
    with gzip.open(RUNTIME) as source, tempfile.TemporaryFile() as plain:
        shutil.copyfileobj(source, plain)
        plain.seek(0)
        yield plain
