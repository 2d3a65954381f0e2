"""stream works on these clients, and says of each what it kept: measured by stock borg."""

from __future__ import annotations

import contextlib
import functools
import json
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.docker.test_stream_delta import seconds
from tests.docker.test_stream_readers import UNSEEN
from tests.support import ends
from tests.support.lab import SUDO, Client, Lab
from tests.support.restores import INTO, UNAVOIDABLE, differences, ok

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
OWNER = 1000  # of the laboratory: the sidecars are not root

TREE = "/srv/data"
SOME = ("--exclude", "*/sparse*", TREE)  # one file there is the most of it
DEBIAN11, DEBIAN12, DEBIAN13, BUSYBOX = (
    f"borgpull-{name}-client" for name in ("debian11", "borg12", "debian13", "busybox")
)
ONLY_SFTP = "ForceCommand internal-sftp"


@dataclass(frozen=True)
class Case:
    """A client, the reader that it gets, and what becomes of it for the run."""

    image: str
    reader: str
    words: tuple[str, ...] = ()
    sshd: str = ""  # the image's other one
    extra: str = ""  # for sshd's configuration
    before: str = ":"
    after: str = ":"
    user: str = "root"
    checked: bool = True  # are its listings checked? busybox's find does not look at errors


def login_shell(shell: str, reader: str) -> Case:
    change, back = (f"usermod --shell {name} root" for name in (shell, "/bin/sh"))
    words = () if reader == "python" else ("--reader", reader)
    return Case(DEBIAN13, reader, words, before=change, after=back)


CASES = {
    "Debian 11": Case(DEBIAN11, "python"),
    "Debian 12": Case(DEBIAN12, "python"),
    "Debian 13": Case(DEBIAN13, "python"),
    "Python, but no tar": Case(
        DEBIAN13, "python", before="mv /usr/bin/tar /root/", after="mv /root/tar /usr/bin/"
    ),
    "fish": login_shell("/usr/bin/fish", "python"),
    "fish, find": login_shell("/usr/bin/fish", "find"),
    "tcsh": login_shell("/bin/tcsh", "python"),
    "tcsh, find": login_shell("/bin/tcsh", "find"),
    "sudo": Case(
        DEBIAN13, "python", ("--sudo",), before=SUDO, after="rm /etc/sudoers.d/*", user="alice"
    ),
    "SFTP only": Case(DEBIAN13, "sftp", extra=ONLY_SFTP, checked=False),
    "no Python": Case(
        DEBIAN13, "find", before="mv /usr/bin/python3 /root/", after="mv /root/python3 /usr/bin/"
    ),
    "busybox": Case(BUSYBOX, "busybox", sshd="openssh", checked=False),
    "busybox, SFTP": Case(BUSYBOX, "sftp", ("--reader", "sftp"), sshd="openssh", checked=False),
    "dropbear": Case(BUSYBOX, "busybox", checked=False),
    "dropbear, SFTP": Case(BUSYBOX, "sftp", ("--reader", "sftp"), checked=False),
}
# What each reader says that it did not carry. `times`: borg itself cannot store them.
LOSSES = {
    "python": {"times"},
    "find": {"xattrs_and_acls", "times"},
    "busybox": {"xattrs_and_acls", "times"},
    "sftp": {"hard_links", "devices", "sockets", "xattrs_and_acls", "times"},
}
Item = dict[str, Any]
# A ctime of SFTP's is an mtime.
NOT_BY_SFTP = (*UNSEEN, "hardlink_master", "ctime", "birthtime", "rdev")


@pytest.fixture(scope="module")
def client_of(lab: Lab) -> Callable[[Case], Client]:
    """The client of a case, started once, with an archive `hand` by stock borg in its repository.

    That archive is made on the client's own volume.
    """
    made: dict[tuple[str, ...], Client] = {}

    def find(case: Case) -> Client:
        key = (case.image, case.sshd, case.extra)
        if key not in made:
            sshd = case.sshd or "dropbear"
            client = lab.client(case.image, SSHD=sshd, SSHD_EXTRA=case.extra, MANY="100")
            made[key] = client
            done = lab.plain("init", client.name)
            assert done.rc == 0, done.stderr
            lab.by_hand(client, "hand", *SOME)
        return made[key]

    return find


@contextlib.contextmanager
def changed(client: Client, case: Case) -> Iterator[None]:
    client.exec("sh", "-c", case.before)
    try:
        yield
    finally:
        client.exec("sh", "-c", case.after)


def items(lab: Lab, client: Client, archive: str) -> dict[str, Item]:
    """Every field that borg stores of every item, but for its atime; with the content's hash."""
    text = lab.borg(client.name, "debug", "dump-archive", f"::{archive}", "-")
    found = {item["path"]: item for item in json.loads(text)["_items"]}
    listed = lab.borg(client.name, "list", "--format", "{sha256} {path}{NUL}", f"::{archive}")
    hashes = dict(row.split(" ", 1)[::-1] for row in listed.split("\0")[:-1])
    for path, item in found.items():
        for field in ("atime", "chunks"):
            item.pop(field, None)
        item["sha256"] = hashes.get(path, "")
    return found


@functools.cache
def by_hand(lab: Lab, client: Client) -> dict[str, Item]:
    """What several cases are compared with. Nobody changes it."""
    return items(lab, client, "hand")


def carried(found: dict[str, Item], reader: str) -> dict[str, Item]:
    """Of what borg itself makes, that which the reader carries."""
    if reader == "python":
        return found
    if reader != "sftp":
        return {path: _without(item, UNSEEN) for path, item in found.items()}
    return {path: _by_sftp(item, found) for path, item in found.items()}


def _without(item: Item, fields: tuple[str, ...]) -> Item:
    return {name: value for name, value in item.items() if name not in fields}


def _by_sftp(item: Item, found: dict[str, Item]) -> Item:
    """Each name is a file of its own, and times are whole seconds from 1970 to 2106.

    A time before 1970, which borg stores as 0, comes as one beyond borg's last.
    """
    regular = stat.S_ISREG(item["mode"])
    first = found[item["source"]] if regular and "source" in item else item
    kept = _without(item, NOT_BY_SFTP)
    if regular:
        kept.pop("source", None)
        kept |= {"size": first["size"], "sha256": first["sha256"]}
    before_1970 = item["path"].endswith("/before-1970")
    mtime = seconds(sys.maxsize if before_1970 else item["mtime"])
    return kept | {"mtime": mtime * 10**9}


@pytest.mark.parametrize("name", CASES)
def test_works_on(lab: Lab, client_of: Callable[[Case], Client], name: str) -> None:
    case = CASES[name]
    client = client_of(case)
    address = client.address.replace("root", case.user)
    before = client.tree(TREE) if case.image != BUSYBOX else ""
    repository = name.lower().replace(" ", "-").replace(",", "")
    with changed(client, case):
        words = ("--json", "--init", "--name", repository, *case.words, address, *SOME)
        done = lab.plain("stream", *words)
    data = ok(done)
    assert data["reader"] == case.reader
    assert data["listings"] == ("checked" if case.checked else "not checked")
    found = items(lab, Client(repository), data["archive"])
    expected = carried(by_hand(lab, client), case.reader)
    assert len(expected) > 14
    if case.reader == "sftp":
        found = {path: _without(item, NOT_BY_SFTP) for path, item in found.items()}
    assert found == expected
    assert set(data["losses"]) <= LOSSES[case.reader]
    if case.image != BUSYBOX:
        assert client.tree(TREE) == before
        assert ends.ours(client) == ""


@pytest.mark.parametrize("name", ["Debian 11", "Debian 13"])
def test_and_it_comes_back_there(
    lab: Lab, client_of: Callable[[Case], Client], rsync: str, name: str
) -> None:
    """By the Python of that client, as test_restore_stream.py does on Debian 12."""
    client = client_of(CASES[name])
    repository = f"back-{name.lower().replace(' ', '-')}"
    backup = ("--json", "--init", "--name", repository, client.address, TREE)
    data = ok(lab.plain("stream", *backup))
    to = f"{client.address}:{INTO}"
    words = ("--json", "--how", "stream", repository, data["archive"], "--to", to)
    back = ok(lab.plain("restore", *words))
    assert (back["how"], back["not_restored"], back["warnings"]) == ("stream", {}, [])
    assert differences(rsync, client, client) == UNAVOIDABLE
