"""The flags of a file: the numbers by which the kernel is asked for them, for each processor."""

from __future__ import annotations

import os
import struct
from types import SimpleNamespace

import pytest

from borgpull.client.shell import script

LONG = struct.calcsize("l") << 16
SCRIPTS = ("attributes.py", "stream_look.py", "writing_attributes.py")


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize(
    ("machine", "get", "set_"),
    [
        ("x86_64", 0x80006601, 0x40006602),
        ("aarch64", 0x80006601, 0x40006602),
        ("s390x", 0x80006601, 0x40006602),
        ("ppc64le", 0x40006601, 0x80006602),
        ("mips64", 0x40006601, 0x80006602),
    ],
)
def test_each_processor_has_its_numbers(
    monkeypatch: pytest.MonkeyPatch, name: str, machine: str, get: int, set_: int
) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine=machine))
    found: dict[str, object] = {"__name__": "a script"}
    exec(compile(script(name), name, "exec"), found)
    assert found["GET_FLAGS"] == get | LONG
    assert found.get("SET_FLAGS", set_ | LONG) == set_ | LONG
