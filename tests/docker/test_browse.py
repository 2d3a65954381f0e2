"""Browsing: a folder as a list, and an archive as a tree on a terminal, to restore from."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shlex
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest

from borgpull.cli.text import safe
from tests.support.lab import HOST_CLI, TIMEOUT, Client, Lab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
KEEP = True  # our programs on the client: what is left there is not looked at here

TREE, INTO = "/srv/data", "/srv/hostile"  # the second is free here
LATIN = "latin1-caf\udce9-\udcfcber.txt"
ESCAPE = "escape-\x1b[31mred\x1b[0m"
LINE = r"borgpull restore [^\r\n]+"


@pytest.fixture(scope="module")
def source(lab: Lab) -> Client:
    """A client with the archives `one` and, newer, `all`."""
    client = lab.client(MANY="30")
    for archive, path in (("one", f"{TREE}/links"), ("all", TREE)):
        words = ("--init", "--archive", archive, client.address, path)
        done = lab.sidecar("pipe", *words, rung="none")
        assert done.rc == 0, done.stderr
    return client


@pytest.fixture(scope="module")
def target(lab: Lab) -> Client:
    return lab.client("borgpull-borg12-client", SEED="0")  # a restore by stream needs a Python


def read_only(lab: Lab, argv: Sequence[str]) -> list[str]:
    mount = f"{lab.repo}:/repo"
    return [f"{word}:ro" if word == mount else word for word in argv]


def command(lab: Lab, *args: str) -> list[str]:
    secret = lab.passphrase
    name = f"browse-{lab.id}"
    return lab.command(*args, rung="none", options=(), passphrase=secret, name=name)


def output(argv: Sequence[str]) -> str:
    """Of a command that succeeds."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_folder_is_listed(lab: Lab, source: Client) -> None:
    argv = command(lab, "browse", source.name, "--path", f"{TREE}/links/")
    listed = output(read_only(lab, argv))
    *rows, last = listed.splitlines()
    assert rows == sorted(rows, key=lambda row: row.split()[5])
    folder = re.compile(r"drwxr-xr-x root root +\d+ 20\S+ srv/data/links/sub")
    assert any(folder.fullmatch(row) for row in rows), rows
    assert last.startswith(f"{len(rows)} items in {TREE}/links of all, ")

    # The same from a host; the sizes are those of the client.
    done = lab.host("browse", "--json", source.name, "latest", "--path", TREE)
    assert done.rc == 0, done.stderr
    items = {item["path"]: item for item in done.events if item["event"] == "item"}
    assert done.result["data"]["items"] == len(items) == len(source.exec("ls", "-A", TREE).split())
    script = (
        f"cd {TREE}/many; find . -type f -printf '%s\\n' | awk '{{ n += $1 }} END {{ print n }}'"
    )
    assert items["srv/data/many"]["size"] == int(source.exec("sh", "-c", script)) > 0
    assert items["srv/data/many"]["type"] == "d"

    done = lab.host("browse", "--json", source.name, "one")
    (above,) = (item for item in done.events if item["event"] == "item")
    assert (above["path"], above["mode"], above["user"]) == ("srv", "d?????????", None)

    lost = lab.host("browse", source.name, "--path", "/etc")
    assert (lost.rc, "not in all: /etc" in lost.stderr) == (83, True), lost.stderr
    # As `list` prints it.
    assert lab.host("browse", source.name, "--path", TREE.strip("/")).rc == 0
    assert lab.host("browse", source.name, "--path", "../etc").rc == 2


class Terminal:
    """A command on a terminal of its own (`with`), and a user who waits for what is shown."""

    def __init__(self, argv: Sequence[str]) -> None:
        self.output, self.ended = b"", False
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm"
            os.execvp(argv[0], [*argv])
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 120, 0, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)  # it gets SIGHUP if it still runs
        if not self.ended:
            os.waitpid(self.pid, 0)

    def until(self, text: str) -> None:
        """Read until this is shown; what was shown before does not count again."""
        deadline = time.monotonic() + 60
        while text.encode() not in self.output:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.fd], [], [], left)[0], self.output[-3000:]
            self.output += os.read(self.fd, 65536)
        self.output = self.output[self.output.index(text.encode()) + len(text) :]

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def end(self) -> tuple[int, str]:
        """Exit code and the last output."""
        try:
            while block := os.read(self.fd, 65536):
                self.output += block
        except OSError:  # nobody has the terminal open any more
            pass
        self.ended = True
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return code, self.output.decode(errors="surrogateescape")


def pick(argv: Sequence[str], *searches: str) -> str:
    """In the newest archive, mark the first find of each search; the line that is printed."""
    with Terminal(argv) as terminal:
        terminal.until("which archive?")
        terminal.until("one")
        terminal.type("\r")
        terminal.until("Search")
        for number, text in enumerate(searches, 1):
            terminal.type(f"/{text}\r")
            terminal.until("1 found")
            terminal.type("\x1b[B ")
            terminal.until(f"{number} marked")
        terminal.type("q")
        code, rest = terminal.end()
    assert code == 0, rest
    (line,) = re.findall(LINE, rest)
    assert safe(line) == line
    return str(line)


def test_pick_on_a_terminal_and_restore(lab: Lab, source: Client, target: Client) -> None:
    argv = command(lab, "browse", source.name)
    argv = [*argv[:2], "-it", *read_only(lab, argv[2:])]
    line = pick(argv, "escape-*", f"{TREE}/links")
    assert line.startswith(f"borgpull restore {source.name} all {TREE}/links $'{TREE}/names/")
    assert line.endswith(" --to root@HOST:/restore")

    # As it is pasted into a shell, but for the target.
    line = line.replace("root@HOST:/restore", f"{target.address}:{INTO}")
    output(["bash", "-c", f'borgpull() {{ {shlex.join(command(lab))} "$@"; }}\n{line}'])
    assert target.exec("cat", f"{INTO}{TREE}/names/{ESCAPE}") == "a terminal escape\n"
    assert len(target.exec("ls", f"{INTO}{TREE}/names").splitlines()) == 1
    assert target.exec("ls", f"{INTO}{TREE}/links") == source.exec("ls", f"{TREE}/links")


def test_the_same_from_a_host(lab: Lab, source: Client, tmp_path: Path) -> None:
    """The app is here, its jobs in containers; what was named for it is named for the restore."""
    line = pick(lab.host_argv("browse", source.name), "latin1-caf*")
    folder = tmp_path / "restored"
    line = line.replace("root@HOST:/restore", str(folder))
    assert f"--repo {lab.repo} " in line
    command = f"cd {tmp_path}; PATH={HOST_CLI.parent}:$PATH; {line}"
    output(["bash", "-c", command])
    (found,) = (path for path in folder.rglob("*") if path.is_file())
    assert found == folder / f"srv/data/names/{LATIN}"
    assert found.read_text() == "latin-1 bytes\n"
