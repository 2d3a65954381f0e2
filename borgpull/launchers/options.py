"""Options of the docker launcher. This module needs no docker SDK, which the image lacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Rung = Literal["userns", "sys-admin"]

# A function that takes the raw output of stock borg: stream number (1 or 2) and bytes.
RawWriter = Callable[[int, bytes], None]


@dataclass(frozen=True, kw_only=True)
class DockerOptions:
    image: str = "borgpull"
    network: str | None = None
    rung: Rung = "userns"
