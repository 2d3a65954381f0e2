"""Manifests that say what no client had, for drills that must notice it; what is left of drills."""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from borgpull.borg.inside import wire
from borgpull.borg.inside.manifest import END, MAC
from borgpull.launchers import checking
from borgpull.state import ownkey
from tests.support.lab import docker
from tests.support.waiting import wait_until

HEAD = wire.HEAD


def manifests(state: Path, client: str) -> list[Path]:
    """The oldest first."""
    return sorted((state / "clients" / client / "manifests").glob("*.manifest"))


def stand_in(state: Path, client: str, of: Path, place: Path) -> None:
    """Let what `of` says be said of the archive of `place`, as if the client had had it then."""
    facts = _end(place)
    key = ownkey.key(state, client, "manifest")
    rewrite(place, key, lambda _: facts, of)


def rewrite(
    place: Path, key: bytes, change: Callable[[dict[str, Any]], dict[str, Any]], of: Path
) -> None:
    """Write `of` to `place` with another end, and its MAC by a key."""
    body, facts = b"", {}
    for kind, content in _frames(of):
        if kind == END:
            facts = json.loads(content)
        else:
            body += HEAD.pack(kind, len(content)) + content
    text = json.dumps(change(facts)).encode()
    body += HEAD.pack(END, len(text)) + text
    owner = place.stat()
    place.write_bytes(body + hmac.digest(key, body, "sha256"))
    os.chown(place, owner.st_uid, owner.st_gid)


def _end(path: Path) -> dict[str, Any]:
    return next(json.loads(content) for kind, content in _frames(path) if kind == END)


def _frames(path: Path) -> list[tuple[int, bytes]]:
    data, at, found = path.read_bytes()[:-MAC], 0, []
    while at < len(data):
        kind, length = HEAD.unpack_from(data, at)
        at += HEAD.size
        found.append((kind, data[at : at + length]))
        at += length
    return found


def of_checks(client: str, *options: str) -> list[str]:
    """The containers of checks of this client's drills."""
    form = '{{.Names}} {{.Label "' + checking.LABEL + '"}}'
    lines = docker("ps", *options, "--filter", f"label={checking.LABEL}", "--format", form)
    pairs = [line.split() for line in lines.splitlines()]
    return [name for name, drill in pairs if drill.startswith(f"borgpull-{client}-")]


def volumes_of(*containers: str) -> set[str]:
    form = '{{range .Mounts}}{{if eq .Type "volume"}}{{.Name}} {{end}}{{end}}'
    return set(docker("inspect", "-f", form, *containers).split())


def await_gone(volumes: set[str]) -> None:
    assert volumes
    wait_until(lambda: not volumes & set(docker("volume", "ls", "-q").split()))
