"""A real browser without a screen, told what to do through a pipe (the DevTools protocol)."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROGRAMS = ("chromium-headless-shell", "chromium")
PATIENCE = 60  # seconds, of a busy machine


def program() -> str | None:
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


class Page:
    """One page. No name is resolved for it."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read, self._rest = write, read, b""
        self._ids = itertools.count(1)
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.do("Target.createTarget", url="about:blank")["targetId"]
        attached = self.do("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.do(f"{domain}.enable")

    def do(self, method: str, **params: Any) -> Any:
        number = next(self._ids)
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data) :]
        until = time.monotonic() + PATIENCE
        while (answer := self._next(until)).get("id") != number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, path: Path, width: int, *, dark: bool = False) -> None:
        """Show a file in a window of so many pixels."""
        self.do(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=844,
            deviceScaleFactor=1,
            mobile=width < 700,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.do("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.do("Page.navigate", url=path.as_uri())
        until = time.monotonic() + PATIENCE
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next(until))

    def value(self, expression: str) -> Any:
        """Of JavaScript; the page's own policy does not bind it."""
        found = self.do("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def requests(self) -> list[str]:
        """All that it has asked for since it was opened."""
        self.value("1")  # what has come by now
        wanted = (one for one in self.events if one.get("method") == "Network.requestWillBeSent")
        return [one["params"]["request"]["url"] for one in wanted]

    def complaints(self) -> list[str]:
        """Of the browser: what its policy has refused, among others."""
        self.value("1")
        logged = (one for one in self.events if one.get("method") == "Log.entryAdded")
        return [one["params"]["entry"]["text"] for one in logged]

    def picture(self, path: Path) -> None:
        shot = self.do("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        """End the browser in good order."""
        self._session = None
        with contextlib.suppress(EOFError, BrokenPipeError):
            self.do("Browser.close")

    def _next(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._read], [], [], left)[0]:
                raise TimeoutError("the browser does not answer")
            data = os.read(self._read, 1 << 16)
            if not data:
                raise EOFError("the browser has ended")
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found


@contextlib.contextmanager
def opened(name: str, home: Path) -> Iterator[Page]:
    """A browser of its own, which keeps nothing outside of `home`."""
    with contextlib.ExitStack() as undo:
        ends = [*os.pipe(), *os.pipe()]
        for end in ends:
            undo.callback(os.close, end)
        theirs, write, read, answers = ends
        options = [
            "--headless",
            "--remote-debugging-pipe",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={home / 'profile'}",
        ]
        if os.geteuid() == 0:  # it refuses a sandbox there
            options.append("--no-sandbox")
        # It takes the pipe as its descriptors 3 and 4.
        shell = 'exec 3<&"$1" 4>&"$2"; shift 2; exec "$@"'
        child = subprocess.Popen(
            ["bash", "-c", shell, "browser", str(theirs), str(answers), name, *options],
            pass_fds=(theirs, answers),
            env={**os.environ, "HOME": str(home)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        undo.callback(child.wait, PATIENCE)
        undo.callback(child.kill)
        page = Page(write, read)
        yield page
        page.close()
        child.wait(PATIENCE)  # its children are gone by then, and write nothing into `home`
