"""Paths as a user writes them."""

from __future__ import annotations

import pytest

from borgpull.errors import UsageError
from borgpull.paths import client_path


def test_paths() -> None:
    assert client_path("/") == "/"
    assert client_path("//etc/./ssh/") == "/etc/ssh"
    assert client_path("/a b\n") == "/a b\n"
    for bad in ("", "etc", "/etc/../x", "/a\0b", "~"):
        with pytest.raises(UsageError):
            client_path(bad)
