"""An engine of Docker that can go away: a socket in front of the one that is there."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from pathlib import Path
from typing import Self

USUAL = "/var/run/docker.sock"


class EngineProxy:
    """At `address`, for DOCKER_HOST. What it does to its users, it does not do to the engine."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "engine.sock"
        self.address = f"unix://{self._path}"
        host = os.environ.get("DOCKER_HOST", f"unix://{USUAL}")
        assert host.startswith("unix://"), f"no socket to be in front of: {host}"
        self._engine = host.removeprefix("unix://")
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._flows = threading.Event()  # not set: nothing passes, and all stays open
        self._flows.set()

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._flows.set()

    def _listen(self) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                user, _ = listener.accept()
            except OSError:
                return
            engine = socket.socket(socket.AF_UNIX)
            engine.connect(self._engine)
            self._pairs.append((user, engine))
            for source, target in ((user, engine), (engine, user)):
                threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                self._flows.wait()
                target.sendall(data)
        self._flows.wait()
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def end(self) -> None:
        """As an engine that is killed: nothing listens, and no connection stays."""
        self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for pair in self._pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
        self._pairs.clear()

    def hang(self) -> None:
        """As an engine that is stopped: it takes all that comes, and says nothing."""
        self._flows.clear()
