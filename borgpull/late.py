"""Functions by name, whose modules are imported when they are asked for.

Each container starts one program, so only the modules of one verb are loaded.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import TypeVar

T = TypeVar("T")


class Late(Mapping[str, T]):
    """Functions of a package by name. A value says where its function is: `MODULE.FUNCTION`."""

    def __init__(self, package: str, places: Mapping[str, str]) -> None:
        self._package, self._places = package, dict(places)

    def __getitem__(self, name: str) -> T:
        module, _, function = self._places[name].partition(".")
        found: T = getattr(importlib.import_module(f"{self._package}.{module}"), function)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
