"""What must be so before anything is restored."""

from __future__ import annotations

import ctypes
import os
import socket
from pathlib import Path

import pytest

from borgpull import capabilities
from borgpull.drills import ready
from borgpull.errors import NotProved

NEWNET = 0x40000000  # CLONE_NEWNET


def test_the_scratch_folder_is_there_and_empty(tmp_path: Path) -> None:
    ready.require_scratch(tmp_path)
    (tmp_path / ".hidden").touch()
    with pytest.raises(NotProved, match=r"not empty: \.hidden"):
        ready.require_scratch(tmp_path)
    for path in (tmp_path / "none", tmp_path / ".hidden"):
        with pytest.raises(NotProved, match="no folder"):
            ready.require_scratch(path)


def test_room_is_for_content_and_for_entries(tmp_path: Path) -> None:
    there = os.statvfs(tmp_path)
    free = there.f_bavail * there.f_frsize
    ready.require_room(tmp_path, 1000, 10)
    with pytest.raises(NotProved, match="bytes free"):
        ready.require_room(tmp_path, free, 10)
    with pytest.raises(NotProved, match="free"):
        ready.require_room(tmp_path, 0, free)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_it_says_which_right_is_lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    every = capabilities.has
    monkeypatch.setattr(capabilities, "has", lambda bit: bit != capabilities.MKNOD)
    with pytest.raises(NotProved, match="root in its container") as caught:
        ready.require_able()
    assert "--cap-add MKNOD" in caught.value.hint
    monkeypatch.setattr(capabilities, "has", every)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(NotProved):
        ready.require_able()


def in_a_namespace() -> list[str]:
    """What a child in a network of its own says."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            assert ctypes.CDLL(None).unshare(NEWNET) == 0
            # /sys shows the network of the process that has mounted it.
            if ctypes.CDLL(None).unshare(0x20000) == 0:
                ctypes.CDLL(None).mount(b"none", b"/", None, 0x44000, None)
                ctypes.CDLL(None).mount(b"sysfs", b"/sys", b"sysfs", 0, None)
            theirs.send("\n".join(ready.ways_out()).encode() or b"-")
            code = 0
        finally:
            os._exit(code)
    theirs.close()
    told = ours.recv(4096).decode()
    ours.close()
    os.waitpid(child, 0)
    if not told:
        pytest.skip("no network of its own here")
    return [] if told == "-" else told.split("\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_network_of_its_own_has_no_way_out() -> None:
    assert in_a_namespace() == []


def test_this_machine_has_one_if_it_has_a_network() -> None:
    names = {name for _, name in socket.if_nameindex()} - {"lo"}
    up = [name for name in names if ready._is_up(name)]
    assert bool(ready.ways_out()) >= bool(up)
