"""Browsing: the tree of an archive, marks, the line for a shell, and the apps on a terminal."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList, Static

from borgpull.cli import picker
from borgpull.cli.browse import newest_first
from borgpull.cli.marks import Marks, restore_line
from borgpull.cli.picker import Archives, EntryTree, Files, line_of, matching
from borgpull.cli.text import safe
from borgpull.trees.item import Item
from borgpull.trees.tree import UNKNOWN_MODE, Entry

EVIL = "\x1b[2J[red]x\n"
LATIN = "caf\udce9"  # the byte E9
# What `browse` emits of a client that saves /etc and /srv/data.
ITEMS = [
    ("etc", "drwxr-xr-x", 0),
    ("etc/hosts", "-rw-r--r--", 100),
    ("etc/ssh", "drwxr-xr-x", 0),
    ("etc/ssh/Config", "-rw-------", 2000),
    ("etc/ssh/key", "-rw-------", 500),
    ("srv/data/link", "lrwxrwxrwx", 9),
    (f"srv/data/{LATIN}", "-rw-r--r--", 1),
    (f"srv/data/{EVIL}", "-rw-r--r--", 2),
    ("srv/[/]", "-rw-r--r--", 0),
]


def row(path: str, mode: str, size: int) -> dict[str, Any]:
    names = {"user": "root", "group": "adm", "uid": 0, "gid": 4}
    mtime = "2026-01-02T03:04:05.000006+00:00"
    return {"type": mode[0], "mode": mode, "path": path, "size": size, "mtime": mtime, **names}


def tree_of(*items: tuple[str, str, int]) -> Entry:
    root = Entry()
    for item in items or ITEMS:
        root.add(row(*item))
    return root


def at(root: Entry, path: str) -> Entry:
    found = root.at(path)
    assert found is not None
    return found


def test_folders_have_the_size_of_all_below_them() -> None:
    root = tree_of()
    sizes = {path: at(root, path).size for path in ("/", "/etc", "/etc/ssh", "/srv", "/etc/hosts")}
    assert sizes == {"/": 2603, "/etc": 2600, "/etc/ssh": 2500, "/srv": 3, "/etc/hosts": 100}
    assert [entry.path for entry in at(root, "/etc").sorted()] == ["/etc/hosts", "/etc/ssh"]
    assert root.at("/etc/nothing") is root.at("/etc/hosts/below") is None
    assert at(root, "/srv").mode == UNKNOWN_MODE  # it is not in the archive
    assert at(root, "/etc/hosts").row() == row("etc/hosts", "-rw-r--r--", 100)


def test_a_whole_machine_and_odd_paths() -> None:
    root = tree_of((".", "drwx------", 0), ("a//b", "-rw-r--r--", 1), ("a/b/c", "-r--------", 2))
    assert (root.mode, root.path, root.size) == ("drwx------", "/", 3)
    assert at(root, "/a/b").folder
    deep = tree_of(("x/" * 2000 + "y", "-rw-r--r--", 7))
    assert sum(entry.size for entry in deep.below()) == 7 * 2001


def test_marks() -> None:
    marks = Marks()
    for path in ("/etc/ssh/key", "/etcetera", "/etc/hosts"):
        marks.toggle(path)
    marks.toggle("/etc")
    assert list(marks) == ["/etc", "/etcetera"]
    assert marks.above("/etc/ssh/key") == "/etc"
    assert marks.above("/etc") is marks.above("/etcetera") is marks.above("/srv") is None
    marks.toggle("/etc/hosts")
    assert list(marks) == ["/etc", "/etcetera"]
    marks.toggle("/etc")
    marks.toggle("/")
    assert list(marks) == ["/"]
    assert marks.above("/etc") == "/"


@pytest.mark.parametrize(
    "name", ["plain", "two words", "it's", "$(id)`id`", LATIN, EVIL, "a\\'!x\t"]
)
def test_the_line_is_what_a_shell_reads(name: str) -> None:
    line = restore_line("web1", "a b", [f"/srv/{name}", "/etc"], ["--repo", "/r"])
    assert safe(line) == line
    script = f"borgpull() {{ printf '%s\\0' \"$@\"; }}\n{line}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
    words = [os.fsdecode(word) for word in done.stdout.split(b"\0")[:-1]]
    to = ["--to", "root@HOST:/restore", "--repo", "/r"]
    assert words == ["restore", "web1", "a b", f"/srv/{name}", "/etc", *to]


def test_the_line_for_everything_and_for_an_archive_that_looks_like_an_option() -> None:
    to = "--to root@HOST:/restore"
    assert restore_line("web1", "one", ["/"], []) == f"borgpull restore web1 one {to}"
    line = restore_line("web1", "--sudo", ["/etc"], [])
    assert line == f"borgpull restore {to} -- web1 --sudo /etc"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("conf", ["/etc/ssh/Config"]),
        ("s", ["/etc/hosts", "/etc/ssh", "/srv"]),
        ("ho*", ["/etc/hosts"]),
        ("/etc/*", ["/etc/hosts", "/etc/ssh"]),
        ("ssh/k", []),
        ("etc/ssh/key", ["/etc/ssh/key"]),
    ],
)
def test_matching(text: str, found: list[str]) -> None:
    assert [entry.path for entry in matching(tree_of(), text)] == found


@pytest.mark.parametrize(
    ("mtime_ns", "text"),
    [
        (1_000_000_000, "1970-01-01T00:00:01+00:00"),
        (-1_000_000_000, "1969-12-31T23:59:59+00:00"),
        (10**30, None),
        (-(10**30), None),
        (10**400, None),
    ],
)
def test_times_that_no_calendar_has(mtime_ns: int, text: str | None) -> None:
    assert Item("a", "-rw-r--r--", 0, mtime_ns, 0, 0).mtime == text


@pytest.mark.usefixtures("tokyo")
def test_line_of() -> None:
    root = tree_of()
    known = "-rw-r--r-- root adm 100 B 2026-01-02 12:04:05+09:00  /etc/hosts"
    assert line_of(at(root, "/etc/hosts")) == known
    assert line_of(at(root, "/srv")) == "d????????? ? ? 3 B ?  /srv"


def drive(app: picker.Picker[Any], steps: Callable[[Pilot[Any]], Awaitable[None]]) -> Any:
    """Run an app without a terminal; what it returns."""

    async def session() -> None:
        async with app.run_test(size=(90, 30)) as pilot:
            await pilot.pause()
            await steps(pilot)

    asyncio.run(session())
    return app.return_value


def files(root: Entry | None = None, path: str = "/", **more: bool) -> Files:
    root = root or tree_of()
    return Files("web1: one", root, at(root, path), **more)


def lines(pilot: Pilot[Any]) -> list[str]:
    """The tree as it is on the screen."""
    tree = pilot.app.query_one(EntryTree)
    found = [tree.render_line(y).text.strip(" │├└─") for y in range(tree.size.height)]
    return [line for line in found if line]


def text_of(pilot: Pilot[Any], name: str) -> str:
    return str(pilot.app.query_one(name, Static).content)


def test_look_mark_and_quit() -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        assert lines(pilot) == ["▼   /  2.6 kB", "▶   etc/  2.6 kB", "▶   srv/  3 B"]
        await pilot.press("down", "enter", "down")
        assert lines(pilot)[2:4] == ["hosts  100 B", "▶   ssh/  2.5 kB"]
        assert text_of(pilot, "#entry").endswith("/etc/hosts")
        await pilot.press("space", "down", "right", "down", "space")
        assert [line for line in lines(pilot) if "✓" in line] == [
            "✓ hosts  100 B",
            "✓ Config  2.0 kB",
        ]
        assert text_of(pilot, "#marked") == "2 marked: /etc/hosts /etc/ssh/Config"
        # The folder goes as one; what is in it comes along.
        await pilot.press("left", "space", "down")
        assert lines(pilot)[3:6] == ["▼ ✓ ssh/  2.5 kB", "· Config  2.0 kB", "· key  500 B"]
        await pilot.press("space")
        assert text_of(pilot, "#marked") == "it comes back with /etc/ssh"
        await pilot.press("left", "left")
        assert not any("Config" in line for line in lines(pilot))
        await pilot.press("a", "q")  # there are no other archives to go to

    assert drive(files(), steps) == ["/etc/hosts", "/etc/ssh"]


def test_search() -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        await pilot.press("slash", *"/etc/ssh/*", "enter")
        assert lines(pilot)[1:] == ["/etc/ssh/Config  2.0 kB", "/etc/ssh/key  500 B"]
        await pilot.press("down", "down", "space", "escape")
        assert "▼   ssh/  2.5 kB" in lines(pilot)
        assert "✓ key  500 B" in lines(pilot)
        assert text_of(pilot, "#entry").endswith("/etc/ssh/key")
        assert text_of(pilot, "#marked") == "1 marked: /etc/ssh/key"
        await pilot.press("slash", *"quiet", "enter")
        assert text_of(pilot, "#marked") == "0 found; escape shows all again"
        await pilot.press("q")

    assert drive(files(), steps) == ["/etc/ssh/key"]


def test_names_are_only_text_and_a_folder_to_begin_in() -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        shown = lines(pilot)
        assert f"{safe(EVIL)}  2 B" in shown
        assert "caf\\udce9  1 B" in shown
        await pilot.press("down", "space")
        assert text_of(pilot, "#marked") == f"1 marked: /srv/data/{safe(EVIL)}"
        await pilot.press("slash", *"/srv/[[]/*", "enter", "down", "space")  # `[/]` is markup
        assert text_of(pilot, "#entry").endswith("/srv/[/]")
        assert lines(pilot)[1] == "✓ /srv/[/]  0 B"
        assert "\x1b[2J" not in str(pilot.app.export_screenshot())
        await pilot.press("q")

    assert drive(files(path="/srv/data"), steps) == ["/srv/[/]", f"/srv/data/{EVIL}"]


@pytest.mark.parametrize("text_only", [False, True])
def test_docker_takes_no_name_that_is_no_text(text_only: bool) -> None:
    async def steps(pilot: Pilot[Any]) -> None:
        await pilot.press("slash", *"caf", "enter", "down", "space")
        assert text_of(pilot, "#marked").startswith(
            "docker run passes" if text_only else "1 marked"
        )
        await pilot.press("q")

    marked = [] if text_only else [f"/srv/data/{LATIN}"]
    assert drive(files(text_only=text_only), steps) == marked


def test_a_folder_with_too_many_names() -> None:
    root = tree_of(*((f"many/{number:06}", "-rw-r--r--", 1) for number in range(picker.MOST + 5)))

    async def steps(pilot: Pilot[Any]) -> None:
        await pilot.press("end")
        assert lines(pilot)[-1] == "… 5 more: search with /"
        await pilot.press("space", "slash", *f"{picker.MOST + 4:06}", "enter", "down", "space", "q")

    assert drive(files(root, "/many"), steps) == [f"/many/{picker.MOST + 4:06}"]


def test_archives() -> None:
    listed = [
        {
            "name": name,
            "time": "2026-01-02T03:04:05",
            "standing": how,
            "verified": how == "verified",
        }
        for name, how in (
            ("a", "verified"),
            ("b.unverified-1", "unverified"),
            (f"{EVIL}c", "verified"),
        )
    ]
    archives = newest_first(listed)
    assert [item["name"] for item in archives] == [f"{EVIL}c", "a", "b.unverified-1"]
    # `latest` comes first where nothing is verified, too.
    standings = (("a", "not_known"), ("b", "not_known"), ("c", "stranger"), ("d", "unverified"))
    unknown = newest_first([{"name": name, "standing": how} for name, how in standings])
    assert [item["name"] for item in unknown] == ["b", "a", "d", "c"]

    async def latest(pilot: Pilot[Any]) -> None:
        options = pilot.app.query_one(OptionList)
        assert safe(EVIL) in str(options.get_option_at_index(0).prompt)
        assert "UNVERIFIED" in str(options.get_option_at_index(2).prompt)
        await pilot.press("enter")

    async def none(pilot: Pilot[Any]) -> None:
        await pilot.press("down", "q")

    async def back(pilot: Pilot[Any]) -> None:
        await pilot.press("space", "a")

    assert drive(Archives("web1", archives), latest) == f"{EVIL}c"
    assert drive(Archives("web1", archives), none) is None
    assert drive(files(back=True), back) is None


SCRIPT = """
from borgpull import signals
from borgpull.trees.tree import Entry
from borgpull.cli import picker
from borgpull.errors import Interrupted
root = Entry()
try:
    with signals.raised():
        picker.shown(picker.Files("web1: one", root, root))
except Interrupted as error:
    raise SystemExit(error.exit_code)
"""


@pytest.mark.parametrize("how", ["SIGTERM", "SIGHUP", "ctrl+c"])
def test_a_signal_ends_it_and_gives_the_terminal_back(how: str) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.execv(sys.executable, [sys.executable, "-c", SCRIPT])
    output = b""
    deadline = time.monotonic() + 30
    while b"Search" not in output:
        assert time.monotonic() < deadline, output
        output += os.read(terminal, 65536)
    if how == "ctrl+c":
        os.write(terminal, b"\x03")
    else:
        os.kill(pid, getattr(signal, how))
    try:
        while block := os.read(terminal, 65536):
            output += block
    except OSError:  # it has ended
        pass
    os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code == {"SIGTERM": 143, "SIGHUP": 129, "ctrl+c": 130}[how], output
    assert output.rindex(b"\x1b[?1049l") > output.rindex(b"\x1b[?1049h")
    assert b"Traceback" not in output


def test_no_other_command_waits_for_textual() -> None:
    code = "import sys, borgpull.cli.app; print('textual' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
