"""The way from a client to the repository opens once the ledger has looked, by every method."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from borgpull.addresses import Target
from borgpull.borg.command import Borg
from borgpull.client.facts import Facts
from borgpull.jobs import Access, Backup
from borgpull.methods import commands, onclient


class Enough(Exception):
    """The way would open."""


@pytest.mark.parametrize("forced", [False, True])
def test_the_ledger_has_looked_before_the_way_opens(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, forced: bool
) -> None:
    seen: list[str] = []

    def step(name: str, value: object = None) -> Any:
        @contextmanager
        def enter(*_: object, **__: object) -> Iterator[object]:
            seen.append(name)
            yield value

        return enter

    def way(*_: object) -> Any:
        seen.append("way")
        raise Enough

    place = SimpleNamespace(
        facts=SimpleNamespace(forced=forced, skew=None, aes=None), bring_cache=lambda _: None
    )
    monkeypatch.setattr(onclient, "connected", step("connected"))
    monkeypatch.setattr(onclient, "placed", step("placed", place))
    monkeypatch.setattr(onclient, "guarded", step("guarded"))
    monkeypatch.setattr(onclient, "choose", lambda *_: "borg")
    monkeypatch.setattr("borgpull.ssh.machine.same", step("same machine"))
    monkeypatch.setattr("borgpull.ssh.config.write", lambda *_, **__: None)
    job = Backup(verb="agent", access=Access(target=Target(host="web1")))
    (tmp_path / "borg").mkdir()
    borg = Borg("web1", tmp_path / "repo", tmp_path / "borg", None, "id")

    def ready(_listed: object) -> None:
        seen.append("ledger")

    opened = onclient.open_source(job, borg, tmp_path, lambda _: None, ready, link=way, forced=way)
    with pytest.raises(Enough), opened:
        pass
    assert seen == ["connected", "same machine", "placed", "ledger", "guarded", "way"]


@pytest.mark.parametrize("opens", [False, True])
def test_a_renaming_that_opens_a_session_waits_for_the_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, opens: bool
) -> None:
    """An sshd with `MaxSessions 1` would refuse one of them."""
    seen: list[str] = []

    def count(*_: object) -> dict[str, int]:
        time.sleep(0.5)
        seen.append("counted")
        return {"times": 2}

    class Renaming:
        opens_session = staticmethod(lambda: opens)

        def __call__(self, *_: str) -> None:
            seen.append("renamed")

    monkeypatch.setattr("borgpull.methods.losses.by_borg", count)
    monkeypatch.setattr(commands, "verify", lambda *_: None)
    session = SimpleNamespace(config=SimpleNamespace(target="web1"))
    place: Any = SimpleNamespace(facts=Facts(), folder="/tmp/x", session=session)
    there: Any = SimpleNamespace(place=place, server=None)
    job = Backup(verb="pipe", access=Access(target=Target(host="web1")))
    verdict: Any = SimpleNamespace(done=SimpleNamespace(name="a.unverified"), changed=())
    with ThreadPoolExecutor(1) as pool:
        parts: Any = (job, there, None, tmp_path, pool, lambda _: None, Renaming(), None)
        source = onclient.OnClient(*parts)
        source.verify(verdict)
        source.rename(verdict, "a")
        assert source.losses() == {"times": 2}
    assert seen == (["counted", "renamed"] if opens else ["renamed", "counted"])
