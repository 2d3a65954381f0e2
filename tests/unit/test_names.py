"""Names of clients and of archives."""

from __future__ import annotations

import pytest

from borgpull.addresses import Target
from borgpull.errors import InvalidClientName, UsageError
from borgpull.names import archive_name, client_name, default_client_name


def test_client_names() -> None:
    assert client_name("web1.example-2_x") == "web1.example-2_x"
    assert default_client_name(Target.parse("root@[2001:db8::7]")) == "2001-db8--7"
    assert default_client_name(Target.parse("web1.")) == "web1"
    assert default_client_name(Target.parse("::1")) == "1"
    for bad in ("", ".", "..", ".x", "-x", "a/b", "a\0b", "a\n", "ä", "x" * 129):
        with pytest.raises(InvalidClientName):
            client_name(bad)


def test_archive_names() -> None:
    for good in ("web1-{now}", "a b", "x:y", "{hostname}"):
        assert archive_name(good) == good
    for bad in ("", "a/b", " a", "a\n", "x.unverified-1", "x.checkpoint", "a\0"):
        with pytest.raises(UsageError):
            archive_name(bad)


@pytest.mark.parametrize("name", ["x.unverified-y", "x.checkpoint", "x.checkpoint.1"])
def test_a_client_whose_archives_would_never_count_is_refused(name: str) -> None:
    with pytest.raises(InvalidClientName):
        client_name(name)
