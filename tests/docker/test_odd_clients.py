"""borg on clients that are not as one would wish: old borg, no tools, no room, other logins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.lab import Client, Completed, Lab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

BORG12 = ("--client-borg", "/usr/bin/borg")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("odd") / "lab", owner=1000) as made:
        yield made


def small_tree(client: Client) -> Client:
    client.exec("sh", "-c", "mkdir -p /srv/data/d; cd /srv/data; echo a >a; echo b >d/b; ln -s a l")
    return client


@pytest.fixture(scope="module")
def debian(lab: Lab) -> Client:
    return small_tree(lab.client(SEED="0"))


@pytest.fixture(scope="module")
def borg12(lab: Lab) -> Client:
    return small_tree(lab.client("borgpull-borg12-client", SEED="0"))


@pytest.fixture(scope="module")
def dropbear(lab: Lab) -> Client:
    return lab.client("borgpull-busybox-client")


def failed(done: Completed, code: int, *words: str) -> None:
    """One line and one hint."""
    lines = done.stderr.strip().splitlines()
    errors = [line for line in lines if line.startswith("borgpull: error: ")]
    assert done.rc == code, done.stdout[-2000:] + done.stderr
    assert (len(errors), lines[-1][:6]) == (1, "hint: "), done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in " ".join(lines[-2:]), done.stderr


def names(lab: Lab, client: str, data: dict[str, Any]) -> set[str]:
    out = lab.borg(client, "list", "--format", "{path}{NUL}", f"::{data['archive']}")
    return set(out.split("\0")) - {""}


def runtime_of(client: Client) -> str:
    """What there is of our folders and their content, with inodes and times."""
    script = "for p in /var/cache /tmp /var/tmp /dev/shm /run /root; do [ ! -d $p ] || "
    script += r"find $p -path '*/borgpull-*' -exec stat -c '%n %i %Y %Z' {} +; done"
    return client.exec("sh", "-c", script)
