"""Our folder on the client while a run lasts: a runtime, borg's cache, and an end to both."""

from __future__ import annotations

import errno
import os
import select
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from borgpull import signals
from borgpull.borg.messages import no_room
from borgpull.client import room, runtime, shell
from borgpull.client.facts import Facts
from borgpull.client.setup import SETUP_SECONDS, SPARE_SECONDS, clean_up
from borgpull.client.sudo import as_root
from borgpull.errors import ClientUnsuitable, ConfigError, ConnectionLost
from borgpull.process import CommandError, Completed, pipe, running
from borgpull.ssh.session import MAX_ANSWER, Session, lost

STREAM_SECONDS = 3600.0
# A client that must send, and is silent for so long, has stopped.
IDLE_SECONDS = 300.0
# No cache of borg is this large. A client that sends without end must not fill our volume.
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
        """A command line that runs one of our scripts there, as the user who reads the files.

        `words` are simple, so that every login shell passes them on unchanged.
        """
        return self.session.command(*as_root(self.sudo), "sh", f"{self.folder}/{name}", *words)

    def shell(
        self,
        script: str,
        stdin: bytes = b"",
        timeout: float = 60.0,
        max_output: int = MAX_ANSWER,
    ) -> Completed:
        """Run a script as the user who reads the files. Raises ConnectionLost, HostileClient."""
        words, text = (*as_root(self.sudo), *shell.WORDS), shell.line(script) + stdin
        return self.session.run(*words, stdin=text, timeout=timeout, max_output=max_output)

    def stream_runtime(self) -> None:
        """Send the runtime, unless the same one is there.

        Raises ClientFull, ClientUnsuitable, ConnectionLost.
        """
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
        with runtime.tar(packed) as source:
            code, text = self._stream(argv, stdin=source)
        if code != 0 and no_room(text):
            raise room.full(self.session.config.target, self.folder, text)
        if code != 0:
            raise ClientUnsuitable(
                f"the runtime could not be unpacked in {self.folder}: {text or f'code {code}'}",
                hint="look at the space and the tools (tar, sha256sum) of the client, "
                "or name a borg of its own by --client-borg",
            )

    def fitting_runtime(self) -> dict[str, Any]:
        """The facts of our runtime, if it can run there. Raises ClientFull, ClientUnsuitable."""
        if self.facts.bare:
            raise room.no_place(self.session.config.target, self.facts.refused)
        about = runtime.facts()
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
        seconds: float = STREAM_SECONDS,
    ) -> tuple[int, str]:
        """Run a command; returns its exit code and last message. Raises ConnectionLost.

        `sink` gets the output. Without a `sink` the command prints nothing, and must end within
        `seconds`.
        """
        with (
            pipe() as (output, inner),
            running(argv, name="ssh", stdin=stdin, stdout=inner, grace=2) as child,
        ):
            inner.close()
            try:
                for block in _blocks(output, IDLE_SECONDS if sink else seconds):
                    if sink is not None:
                        sink(block)
                code = child.wait(STREAM_SECONDS)
            except (CommandError, TimeoutError) as error:
                raise ConnectionLost(f"{self.session.config.target}: {error}") from None
            text = (child.stderr().strip().splitlines() or [""])[-1][:200]
        if lost(self.session.alive, code):
            raise ConnectionLost(f"the connection to {self.session.config.target} broke")
        return code, text

    def put(self, name: str, content: bytes) -> None:
        """Put a small file into our folder. Raises ConnectionLost, ClientFull, ClientUnsuitable."""
        with tempfile.TemporaryFile() as file:
            file.write(content)
            file.seek(0)
            code, text = self._stream(self.command("tool", "put", name), stdin=file)
        if code != 0 and no_room(text):
            raise room.full(self.session.config.target, self.folder, text)
        if code != 0:
            raise ClientUnsuitable(f"cannot write in {self.folder} on the client: {text}")

    def bring_cache(self, saved: Path) -> None:
        """Send the client the cache of its borg, unless it still has one."""
        if self.facts.cache or not saved.exists() or "tar" not in self.facts.has:
            return
        with saved.open("rb") as file:
            # A cache that does not arrive whole is dropped there. That only costs time.
            self._stream(self.command("tool", "take"), stdin=file)

    def fetch_cache(self, saved: Path) -> None:
        """Keep the client's cache here, packed as it comes. It is never unpacked on this side.

        Raises ConfigError if it cannot be written.
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

        If it fails otherwise, the next run does it.
        """
        what = "keep" if keep else "leave"

        def clean() -> int:
            seconds = signals.patience(SETUP_SECONDS, spare=SPARE_SECONDS)
            return self._stream(self.command("tool", what), seconds=seconds)[0]

        clean_up(clean)


def _blocks(output: IO[bytes], idle: float) -> Iterator[bytes]:
    """Read blocks to the end. Raises TimeoutError after `idle` seconds without a byte."""
    while True:
        if not select.select([output], [], [], signals.patience(idle))[0]:
            raise TimeoutError(f"no answer for {idle:g} s")
        block = os.read(output.fileno(), 1 << 20)
        if not block:
            return
        yield block


def limited(file: IO[bytes]) -> Callable[[bytes], None]:
    """Write to a file, up to MAX_CACHE. Raises OSError beyond."""

    def write(block: bytes) -> None:
        if file.tell() + len(block) > MAX_CACHE:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        file.write(block)

    return write
