"""The unit of podman's quadlet; tests/docker/test_units.py asks podman what it makes of it."""

from __future__ import annotations

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
