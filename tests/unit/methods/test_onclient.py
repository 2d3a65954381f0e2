"""The way from a client to the repository opens once the ledger has looked, by every method."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from borgpull.addresses import Target
from borgpull.borg.command import Borg
from borgpull.jobs import Access, Backup
from borgpull.methods import onclient


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

    def ready() -> None:
        seen.append("ledger")

    opened = onclient.open_source(job, borg, tmp_path, lambda _: None, ready, link=way, forced=way)
    with pytest.raises(Enough), opened:
        pass
    assert seen == ["connected", "same machine", "placed", "ledger", "guarded", "way"]
