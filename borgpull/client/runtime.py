"""The runtime for clients that the image holds: borg, Python, ssh and socat in one tar."""

from __future__ import annotations

import contextlib
import gzip
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from borgpull.errors import ClientUnsuitable

RUNTIME = Path("/usr/local/share/borgpull/runtime.tar.gz")


def facts() -> dict[str, Any]:
    """Facts that the image's build wrote of the runtime. Raises ClientUnsuitable without one."""
    try:
        about = json.loads(RUNTIME.with_name("runtime.json").read_text())
    except (OSError, ValueError):
        raise ClientUnsuitable(
            "there is no runtime for clients here",
            hint="run in the image borgpull, or name the client's own borg by --client-borg",
        ) from None
    return dict(about)


@contextlib.contextmanager
def tar(packed: bool) -> Iterator[IO[bytes]]:
    """The packed runtime, or the unpacked tar in a temporary file."""
    if packed:
        with RUNTIME.open("rb") as file:
            yield file
        return
    with gzip.open(RUNTIME) as source, tempfile.TemporaryFile() as plain:
        shutil.copyfileobj(source, plain)
        plain.seek(0)
        yield plain
