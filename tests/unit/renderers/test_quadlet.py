"""The unit of podman's quadlet; tests/docker/test_units.py asks podman what it makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from borgpull.cli.options import Launch, Where
from borgpull.errors import UsageError
from borgpull.renderers.quadlet import render
from tests.support.rendered import COMMANDS, keys, planned


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        ("borgpull", "localhost/borgpull"),
        ("borgpull:1", "localhost/borgpull:1"),
        ("registry.example.org/borgpull:1", "registry.example.org/borgpull:1"),
    ],
)
def test_podman_does_not_search_for_the_image(image: str, wanted: str) -> None:
    unit = keys(render(planned(COMMANDS["pipe"], launch=Launch(image=image)))["web1.container"])
    assert unit["Container.Image"] == [wanted]


@pytest.mark.parametrize("path", ["/a:b", "/a b", "/a$b", '/a"b', "/a'b", "/a\\b", "/a\u00a0b"])
def test_a_path_that_podman_does_not_quote(path: str) -> None:
    with pytest.raises(UsageError, match="not a path for quadlet"):
        render(planned(COMMANDS["pipe"], where=Where(repo=path)))


@pytest.mark.parametrize("word", ["", ";"])
def test_a_word_that_podman_loses(word: str) -> None:
    """Podman 5.4 ends the command line at the first, and splits it at the second."""
    with pytest.raises(UsageError, match="not pass on"):
        render(planned(["pipe", "--exclude", word, "root@web1", "/etc"]))


@pytest.mark.parametrize(
    "named",
    [
        {"where": Where(repo="mine.volume")},
        {"where": Where(state="mine.volume")},
        {"launch": Launch(network="backup.network")},
        {"launch": Launch(network="web.container")},
        {"launch": Launch(image="mine.image")},
        {"launch": Launch(image="registry.example.org/mine.build")},
    ],
)
def test_a_name_that_quadlet_takes_for_a_unit(named: dict[str, Any]) -> None:
    """Its generator finds none, and makes no service: the timer would start nothing."""
    with pytest.raises(UsageError, match="a unit of its own"):
        render(planned(COMMANDS["pipe"], **named))


def test_a_path_may_end_like_a_unit() -> None:
    found = render(planned(COMMANDS["pipe"], where=Where(repo="/srv/mine.volume")))
    assert keys(found["web1.container"])["Container.Volume"][0] == "/srv/mine.volume:/repo"
