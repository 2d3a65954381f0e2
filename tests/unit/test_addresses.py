"""Addresses of machines, good ones and bad ones."""

from __future__ import annotations

import pytest

from borgpull.addresses import Target
from borgpull.errors import InvalidHost


@pytest.mark.parametrize(
    ("text", "user", "host", "port"),
    [
        ("web1", "root", "web1", 22),
        ("alice@web1.example.org:2222", "alice", "web1.example.org", 2222),
        ("root@192.0.2.7", "root", "192.0.2.7", 22),
        ("root@2001:db8::7", "root", "2001:db8::7", 22),
        ("root@[2001:db8::7]:22022", "root", "2001:db8::7", 22022),
        ("[fe80::1%eth0]", "root", "fe80::1%eth0", 22),
        ("my_compose_service", "root", "my_compose_service", 22),
        ("DOMAIN.user-1$@host", "DOMAIN.user-1$", "host", 22),
    ],
)
def test_addresses(text: str, user: str, host: str, port: int) -> None:
    assert Target.parse(text) == Target(host=host, user=user, port=port)


@pytest.mark.parametrize(
    "text",
    [
        *("", "@", "root@", "-oProxyCommand=x", "root@-x", "-l@web1", "a b", "a\nb", "web1:"),
        *(
            "web1:0",
            "web1:65536",
            "web1:-1",
            "web1:٢٢",
            "[web1]",
            "[::1",
            "::1]",
            "[::1]x",
            "[::1]:",
        ),
        *(
            "web1/etc",
            "web1;id",
            "$(id)",
            "a..b",
            "web1:22:33x",
            "[::1%a/b]",
            "x" * 254,
            "root@web1@",
        ),
    ],
)
def test_bad_addresses(text: str) -> None:
    with pytest.raises(InvalidHost):
        Target.parse(text)


@pytest.mark.parametrize("text", ["web1", "root@[2001:db8::7]:222", "a@b:23"])
def test_an_address_shows_as_it_can_be_given_again(text: str) -> None:
    target = Target.parse(text)
    assert Target.parse(str(target)) == target
