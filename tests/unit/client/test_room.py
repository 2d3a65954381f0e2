"""D20: the folder on the client is chosen by what it must hold, and a full client is told so."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from borgpull import errors
from borgpull.addresses import Target
from borgpull.borg import messages
from borgpull.client import room
from borgpull.client.borg import choose
from borgpull.client.facts import Facts, read
from borgpull.client.folder import Place
from borgpull.client.shell import script
from borgpull.process import Running
from borgpull.ssh.config import SshConfig
from borgpull.ssh.session import Session

WEB1 = Target(host="web1")
ID = "00000000000000aa"
# What df says of each of the client's folders; the others have no room at all.
DF = """#!/bin/sh
case $2 in {cases} *) free=1 ;; esac
echo Filesystem; echo "x 1 1 $free 1% /"
"""
RUN = """
id={id} keep=no runtime={runtime} borg=- cache={cache} chosen=
{look}{place}
bases=$BASES
choose
[ -z "$chosen" ] || {{ ls -A "$chosen"; say folder "$chosen"; rm -rf "$chosen"; }}
"""


@pytest.fixture
def bases() -> Iterator[list[Path]]:
    """Two folders of a client. pytest's own have longer names than the server takes."""
    with tempfile.TemporaryDirectory() as folder:
        found = [Path(folder, name) for name in ("a", "c")]
        for path in (*found, Path(folder, "bin"), Path(folder, "a b")):
            path.mkdir()
        yield found
        assert [list(path.iterdir()) for path in found] == [[], []]  # nothing is left


def program(folder: Path, name: str, text: str) -> None:
    path = folder.parent / "bin" / name
    path.write_text(text)
    path.chmod(0o755)


def chosen(
    bases: list[Path],
    kilobytes: dict[int, int],
    *,
    noexec: bool = False,
    borg: str = "",
    runtime: str = "yes",
    cache: int = 4000,
) -> Facts:
    cases = " ".join(f"*/{bases[n].name}*) free={kb} ;;" for n, kb in kilobytes.items())
    program(bases[0], "df", DF.format(cases=cases))
    if noexec:
        program(bases[0], "chmod", "#!/bin/sh\n")
    if borg:
        program(bases[0], "borg", f"#!/bin/sh\necho borg {borg}\n")
    text = RUN.format(
        id=ID, runtime=runtime, cache=cache, look=script("probe.sh"), place=script("folder.sh")
    )
    env = {"PATH": f"{bases[0].parent}/bin:{os.environ['PATH']}", "HOME": "/nonexistent"}
    env["BASES"] = "\n".join([f"{bases[0]} b", *map(str, bases)])
    argv = ["sh", "-s"]
    done = subprocess.run(
        argv, input=text.encode(), capture_output=True, env=env, timeout=60, check=True
    )
    return read(done.stdout)


def base_of(facts: Facts) -> str:
    return Path(facts.folder).parent.name


@pytest.mark.parametrize(
    ("kilobytes", "cache", "base", "refused"),
    [
        ({0: 80_000, 1: 80_000}, 4000, "a", []),
        ({0: 60_000, 1: 80_000}, 4000, "c", ["full"]),
        ({0: 80_000, 1: 900_000}, 300_000, "c", ["full"]),
        ({0: 60_000, 1: 2_000}, 4000, "", ["full", "full"]),
    ],
)
def test_it_is_chosen_by_what_it_must_hold(
    bases: list[Path], kilobytes: dict[int, int], cache: int, base: str, refused: list[str]
) -> None:
    facts = chosen(bases, kilobytes, cache=cache)
    assert (base_of(facts), [item.why for item in facts.refused]) == (base, refused)
    assert not facts.bare


def test_a_borg_that_was_named_needs_no_room_for_ours(bases: list[Path]) -> None:
    facts = chosen(bases, {0: 5_000}, runtime="no", noexec=True)
    assert (base_of(facts), facts.bare) == ("a", False)


@pytest.mark.parametrize("kind", ["noexec", "small"])
def test_a_borg_of_its_own_needs_no_folder_for_programs(bases: list[Path], kind: str) -> None:
    room_there = {0: 900_000, 1: 900_000} if kind == "noexec" else {0: 9_000, 1: 9_000}
    facts = chosen(bases, room_there, noexec=kind == "noexec", borg="1.4.5")
    assert (base_of(facts), facts.bare) == ("a", True)
    assert choose(place_of(facts), None) == facts.borg_path
    other = chosen(bases, room_there, noexec=kind == "noexec", borg="1.2.4")
    kind_of = errors.ClientUnsuitable if kind == "noexec" else errors.ClientFull
    with pytest.raises(kind_of):
        choose(place_of(other), None)
    none = chosen(bases, room_there, noexec=kind == "noexec", borg="")
    assert none.folder == "" or none.borg is not None  # this machine may have a borg


def place_of(facts: Facts) -> Place:
    config = SshConfig(Path(), WEB1, has_key=True)
    return Place(Session(config, Path(), cast("Running", None)), facts, sudo=False)


def test_what_is_said_of_no_room() -> None:
    full = room.read(["full 12345 /tmp", "full 12345 /tmp", "noexec 1 /run", "full x /y", "odd"])
    assert [item.base for item in full] == ["/tmp", "/run"]
    error = room.no_place(WEB1, full)
    assert (type(error), "/tmp (12 MB free)" in error.message) == (errors.ClientFull, True)
    error = room.no_place(WEB1, room.read(["noexec 1 /tmp"]))
    assert type(error) is errors.ClientUnsuitable
    assert "noexec" in error.hint


OWN = "OSError: [Errno 28] No space left on device: '/tmp/borgpull-1/home/cache/1/txn.tmp/chunks'\n"
SERVERS = "OSError: [Errno 28] No space left on device\n\nBorg server: Platform: Linux\n"


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (2, OWN + "\nPlatform: Linux\n", errors.ClientFull),
        (2, SERVERS, errors.DiskFull),
        (14, "Insufficient free space: No space left on device", errors.DiskFull),
        (20, "Storage quota exceeded", errors.DiskFull),
    ],
)
def test_whose_disk_is_full(code: int, text: str, kind: type) -> None:
    def fails() -> None:
        raise messages.from_exit(code, text, "web1")

    with pytest.raises(kind), room.WhoseDisk(WEB1, "/tmp/borgpull-1"):
        fails()
    with pytest.raises(kind):
        room.WhoseDisk(WEB1, "/tmp/borgpull-1")(fails)()
