"""stream by a shell's find, GNU's and busybox's: it makes what borg's own method pipe makes."""

from __future__ import annotations

import stat
from typing import Any

import pytest

from tests.docker.test_stream_sftp import SOME, TREE, items
from tests.support import ends
from tests.support.lab import Client, Lab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
OWNER = 1000  # of the laboratory: the sidecars are not root
UNSEEN = ("xattrs", "acl_access", "acl_default", "bsdflags")
# A name may hold anything: a shell's words, a newline, what ends a record, no UTF-8.
ODD = r"""
cd /srv/data; mkdir -p odd; cd odd
set -- "$(printf 'new\nline')" "$(printf 'caf\351')" -rf "qu'ote\"s" '*' '$(id)' '[a]?' ' ' '\'
for name; do
  mkdir -p "./d$name"; echo "in $name" >"./d$name/$name"; ln -sf -- "$name" "./d$name/link"
done
printf 'no end of line' >plain; : >none; head -c 70000 /dev/urandom >large; mkfifo pipe
find . -exec touch -h -d '2020-02-02 02:02:02' {} +
sleep 1; echo last >last; touch -d 2020-01-01 last
sleep 3 # else nobody remembers it, and borg forgets the newest of the others
"""


@pytest.mark.parametrize("name", ["find", "busybox"])
def test_a_shells_find(lab: Lab, name: str) -> None:
    image = "borgpull-client" if name == "find" else "borgpull-busybox-client"
    client = lab.client(image, SSHD="openssh", MANY="100")
    client.exec("sh", "-c", ODD)
    data = lab.pull("stream", client, *SOME)["data"]  # it is the best one that the client has
    assert data["reader"] == name
    if name == "find":  # busybox's ps shows itself
        assert ends.ours(client) == ""
    _as_by_pipe(lab, client, f"{name}-pipe", data["archive"])
    assert set(data["losses"]) - {"times"} == {"xattrs_and_acls"}

    client.exec("sh", "-c", f"echo more >>{TREE}/odd/large")
    again = lab.pull("stream", client, "--reader", name, *SOME)["data"]
    assert f"{TREE}/odd/large" in again["read_paths"]
    # borg itself forgets the newest files.
    assert len(again["read_paths"]) <= 4, again["read_paths"]

    _what_may_not_be_read(lab, client, name)
    if name == "find":
        _by_sudo(lab, client)
    else:
        _none_there(lab, client)


def _as_by_pipe(lab: Lab, client: Client, name: str, archive: str) -> None:
    """Each field of each item that the reader carries."""
    done = lab.plain("pipe", "--json", "--name", name, "--init", client.address, *SOME)
    assert done.rc == 0, done.stdout
    expected: dict[str, Any] = items(lab, name, done.result["data"]["archive"])
    for item in expected.values():
        for field in UNSEEN:
            item.pop(field, None)
    assert _grouped(items(lab, client.name, archive)) == _grouped(expected)
    # borg's dump has the three of no UTF-8 by other names.
    assert len([path for path in expected if "/odd/" in path]) == 29


def _grouped(found: dict[str, Any]) -> dict[str, Any]:
    """Items, where each name of a file has what borg stores with the first one only: find has them
    in another order than borg."""
    names: dict[str, list[str]] = {}
    for path, item in found.items():
        if stat.S_ISREG(item["mode"]) and item.get("source"):
            names.setdefault(item["source"], [item["source"]]).append(path)
    made = dict(found)
    for first, group in names.items():
        for path in group:
            own = {key: found[path][key] for key in found[path].keys() - {"source", "sha256"}}
            made[path] = {**found[first], **own, "names": sorted(group), "hardlink_master": True}
    return made


def _what_may_not_be_read(lab: Lab, client: Client, name: str) -> None:
    """A file and a folder of root's, and one that can be listed only: each one is told."""
    script = "mkdir -p /srv/a/shut /srv/a/half; cd /srv/a; echo x | tee open mine shut/x half/x"
    client.exec("sh", "-c", f"{script}; chmod 600 mine; chmod 700 shut; chmod 744 half")
    address = client.address.replace("root", "alice")
    how = ("stream", "--json", "--init", "--reader", name, "--name", f"a-{name}")
    words = (*how, address, "/srv/a")
    # Archives with names of their own: two runs may be of the same second.
    done = lab.plain(*words, "--archive", "one")
    assert done.rc == 61, done.stdout
    assert "/srv/a/mine" in done.result["failure"]["message"]
    assert [".unverified-" in found for found in ends.archive_names(lab, f"a-{name}")] == [True]
    done = lab.plain(*words, "--archive", "two", "--allow-unreadable", "/srv/a/mine")
    assert done.rc == 60, done.stdout
    told = str(done.result["failure"])
    assert "/srv/a/shut" in told, told
    assert "/srv/a/half" in told, told
    client.exec("sh", "-c", "chmod 755 /srv/a/shut /srv/a/half; chmod 644 /srv/a/mine")
    if name == "busybox":  # the other one goes on by sudo
        done = lab.plain(*words, "--archive", "three")
        assert done.rc == 0, done.stdout
        assert done.result["data"]["items"] == {"d": 3, "-": 4}


def _by_sudo(lab: Lab, client: Client) -> None:
    rule = "alice ALL=(root) NOPASSWD: ALL"
    client.exec("sh", "-c", f"echo '{rule}' >/etc/sudoers.d/borgpull; chmod 700 /srv/a/shut")
    address = client.address.replace("root", "alice")
    words = ("--init", "--sudo", "--reader", "find", "--name", "sudo", address, "/srv/a")
    done = lab.plain("stream", "--json", *words)
    assert done.rc == 0, done.stdout
    assert done.result["data"]["items"] == {"d": 3, "-": 4}


def _none_there(lab: Lab, client: Client) -> None:
    """busybox's find has no -printf. One line tells that."""
    words = ("--init", "--reader", "find", client.address, "/etc")
    done = lab.plain("stream", "--json", *words)
    assert done.rc == 38, done.stdout
    assert "the reader find needs" in done.result["failure"]["message"]
    assert done.result["failure"]["message"].count("\n") == 0


# A find that sees a file go, as find's own look at a name may; and it may be there again.
GOING = """#!/bin/sh
case $* in *%p*)
  rm -f /srv/g/dump; /usr/bin/find /srv/g/dump
  [ ! -e /srv/control/again ] || echo new >/srv/g/dump;;
esac
exec /usr/bin/find "$@"
"""


def test_a_name_that_goes_while_it_is_listed_is_looked_for_once_more(lab: Lab) -> None:
    client = lab.client(SEED="0")
    client.exec("sh", "-c", "mkdir -p /srv/g /srv/control; echo old | tee /srv/g/dump /srv/g/stays")
    client.exec("sh", "-c", 'cd /usr/local/bin; printf %s "$1" >find; chmod 755 find', "sh", GOING)
    words = ("stream", "--json", "--init", "--reader", "find", client.address, "/srv/g")
    done = lab.plain(*words, "--archive", "gone")
    assert done.rc == 0, done.stdout
    data = done.result["data"]
    assert (data["vanished"], data["items"]) == (["/srv/g/dump"], {"d": 1, "-": 1})
    client.exec("touch", "/srv/control/again")
    done = lab.plain(*words, "--archive", "again")
    assert done.rc == 60, done.stdout
    assert "/srv/g/dump (gone for a moment)" in done.result["failure"]["message"]
