"""A manifest beside a backup: what fails there is told, and is tried once more."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from borgpull.addresses import Target
from borgpull.borg.manifest import BadManifest
from borgpull.client.mounts import Mounts
from borgpull.errors import BorgFailed, BorgpullError, HostileClient
from borgpull.jobs import Access, Backup
from borgpull.methods import witnessed
from borgpull.methods.witnessed import Witnessed

KEPT = {"number": 1, "entries": 2, "hashed": 1, "unsure": 0}


class Fake(Witnessed):
    """Listings that end by `errors`, one each; the one after them succeeds."""

    errors: list[Exception]
    left: list[list[str]]
    events: list[Any]
    differs, rotten = 0, list[str]()

    def _list(self) -> Any:
        if self.errors:
            raise self.errors.pop(0)
        witness = SimpleNamespace(
            missing=lambda *_: ["gone", "there"],
            keep=self.left.append,
            differs=self.differs,
            rotten=self.rotten,
            carried=4,
        )
        return SimpleNamespace(witness=witness, reader="python")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    job = Backup(verb="pipe", access=Access(target=Target(host="web1")))
    borg: Any = SimpleNamespace(client="web1")
    told: list[Any] = []
    monkeypatch.setattr("borgpull.state.manifests.kept", lambda *_: dict(KEPT))
    with ThreadPoolExecutor(2) as pool:
        parts: Any = (job, borg, lambda _: None, pool, told.append)
        with Fake(*parts, mounts=Mounts(), roots=["/"]) as one:
            one.errors, one.left, one.events = [], [], told
            yield one


def run(one: Any, *errors: Exception) -> Any:
    one.errors = list(errors)
    one.begin()
    one.begin()
    one.book("a", "00", [], lambda paths: [path for path in paths if path == "there"])
    return one.manifest()


def test_what_is_missing_is_told(made: Any) -> None:
    made.differs = 3
    more = {"reader": "python", "earlier": 4, "missing": ["/there"]}
    assert run(made) == {**KEPT, **more}
    assert made.left == [["there"]]
    texts = [event.data["text"] for event in made.events]
    assert texts == [
        "1 on the client, and not in the archive: /there",
        "3 not in the archive as the client has them",
    ]


def test_a_session_that_was_refused_is_tried_once_more(made: Any) -> None:
    assert run(made, BorgFailed("no session"))["number"] == 1


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        ([BorgFailed("one"), BorgFailed("two")], "two"),
        ([HostileClient("evil")], "evil"),
        ([OSError("disk")], "could not be made: disk"),
    ],
)
def test_a_failure_has_its_reason(made: Any, errors: list[Exception], told: str) -> None:
    with pytest.raises(BorgpullError, match=told):
        run(made, *errors)
    assert made.errors == []


def test_a_listing_without_end_is_given_up(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witnessed, "WAIT_SECONDS", 0.1)

    wait = threading.Event()
    made._list = wait.wait
    try:
        with pytest.raises(BorgFailed, match="is not listed"):
            run(made)
    finally:
        wait.set()


def test_what_has_another_content_than_was_known_is_told(made: Any) -> None:
    made.rotten = [f"file{number}" for number in range(30)]
    assert run(made)["differs"] == [f"/file{number}" for number in range(20)]
    assert "30 files have another content" in made.events[0].data["text"]


def test_an_earlier_manifest_that_is_not_genuine_is_told(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bad(*_: Any) -> None:
        raise BadManifest("mac", "its MAC is wrong")

    monkeypatch.setattr("borgpull.state.manifests.earlier", bad)
    assert made._earlier(()) is None
    run(made)
    assert "no sum of an earlier run is taken over: its MAC" in made.events[0].data["text"]
