"""Why a mount has failed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from borgpull.addresses import Target
from borgpull.errors import ConnectionLost, HostUnreachable
from borgpull.jail import sshfs
from borgpull.process import running
from borgpull.ssh.diagnose import from_ssh

TEXT = "read: Connection reset by peer"
CONFIG: Any = SimpleNamespace(target=Target(host="client"), via=None)


def test_a_second_mount_that_fails_is_a_broken_connection() -> None:
    assert isinstance(from_ssh(TEXT, CONFIG.target), HostUnreachable)
    with running(["sh", "-c", 'echo "$0" >&2; exit 1', TEXT], name="sshfs") as child:
        child.wait(10)
        assert isinstance(sshfs._why(child, CONFIG, again=True), ConnectionLost)
