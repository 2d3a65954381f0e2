"""Options of the docker launcher. This module needs no docker SDK, which the image lacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

Rung = Literal["userns", "sys-admin"]

# A function that takes the raw output of stock borg: stream number (1 or 2) and bytes.
RawWriter = Callable[[int, bytes], None]


class DockerOptions(NamedTuple):
    image: str = "borgpull"
    network: str | None = None
    rung: Rung = "userns"
