"""Addresses, names, paths; jobs and results to JSON and back."""

from __future__ import annotations

import pytest

from borgpull.errors import InvalidClientName, InvalidHost, UsageError
from borgpull.model import (
    Failure,
    JobSpec,
    Places,
    Result,
    Target,
    archive_name,
    client_name,
    client_path,
    default_client_name,
)


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


def test_client_names() -> None:
    assert client_name("web1.example-2_x") == "web1.example-2_x"
    assert default_client_name(Target.parse("root@[2001:db8::7]")) == "2001-db8--7"
    assert default_client_name(Target.parse("web1.")) == "web1"
    for bad in ("", ".", "..", ".x", "-x", "a/b", "a\0b", "a\n", "ä", "x" * 129):
        with pytest.raises(InvalidClientName):
            client_name(bad)


def test_paths() -> None:
    assert client_path("/") == "/"
    assert client_path("//etc/./ssh/") == "/etc/ssh"
    assert client_path("/a b\n") == "/a b\n"
    for bad in ("", "etc", "/etc/../x", "/a\0b", "~"):
        with pytest.raises(UsageError):
            client_path(bad)


def test_archive_names() -> None:
    for good in ("web1-{now}", "a b", "x:y", "{hostname}"):
        assert archive_name(good) == good
    for bad in ("", "a/b", " a", "a\n", "x.unverified-1", "x.checkpoint", "a\0"):
        with pytest.raises(UsageError):
            archive_name(bad)


def test_jobs_to_json_and_back() -> None:
    job = JobSpec(
        verb="sshfs",
        client="web1",
        target=Target.parse("root@web1:23"),
        paths=("/etc", "/h\udcff"),
        places=Places(repo="/r"),
        exclude=("sh:**/.cache",),
    )
    assert JobSpec.from_json(job.to_json()) == job
    for bad in ("", "[]", "{}", '{"version": 0}', job.to_json().replace("verb", "vreb")):
        with pytest.raises(UsageError):
            JobSpec.from_json(bad)


def test_results_to_a_dict_and_back() -> None:
    failure = Failure(exit_code=30, error="UnknownHostKey", message="m", hint="h")
    for result in (
        Result(verb="list", data={"a": [1]}),
        Result(verb="x", ok=False, failure=failure),
    ):
        assert Result.from_dict(result.to_dict()) == result
    assert Result(verb="x", failure=failure).exit_code == 30
