"""Whatever a client, its ssh or its borg says: a parser takes it, or ends with an error of ours."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from borgpull.addresses import Target
from borgpull.borg import create, extract, messages
from borgpull.borg.create import Created, Order
from borgpull.cli.screen import Screen
from borgpull.cli.text import safe, size
from borgpull.client import facts as answers
from borgpull.client import room
from borgpull.client.mounts import of_client, parse
from borgpull.client.survey import ByScript
from borgpull.errors import BorgpullError, LedgerUnreadable, TargetNotUsable
from borgpull.events import Event
from borgpull.jail.clientwalk import ClientWalk, WalkBroken, complaint
from borgpull.methods import losses, vanished
from borgpull.process import Completed
from borgpull.restores import survey
from borgpull.restores.base import Site
from borgpull.results import Result
from borgpull.ssh import back, diagnose, keys, words
from borgpull.state import lastgood, ledger
from borgpull.trees.item import Item
from borgpull.trees.survey import Ground

settings.register_profile("ours", deadline=None, derandomize=True, max_examples=25)
settings.load_profile("ours")

TARGET = Target(host="client")
# Where parsers of numbers break: no number at all, signs, digits of other scripts, too many.
NUMBERS = st.sampled_from(["0", "7", "-1", "²", "٣", "9" * 4999, "1e999", "18446744073709551615"])
TEXT = st.text() | NUMBERS | st.text("\\0123456789: []Ee\ud800\udcff\n\t/-", max_size=40)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
JSON = st.recursive(
    SCALARS | st.sampled_from([10**4000, float("inf"), float("nan")]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)


def near(*keys: str, **fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """JSON objects that look like ours: some of these keys, with anything for values."""
    some = dict.fromkeys(keys, JSON) | fixed
    return st.fixed_dictionaries({}, optional=some)


MESSAGES = near(
    "path",
    "msgid",
    "message",
    "finished",
    "current",
    "info",
    *create.NUMBERS,
    type=st.sampled_from(["file_status", "archive_progress", "log_message", "progress_percent"]),
    status=st.sampled_from("AMUCEdsh?") | TEXT,
    levelname=st.sampled_from(["WARNING", "ERROR"]) | TEXT,
)
ARCHIVES = near(
    archive=near(name=TEXT, id=JSON, stats=near(*create.NUMBERS)) | JSON,
)


def encoded(text: str) -> bytes:
    return text.encode(errors="replace")


def dumped(data: object) -> bytes:
    with contextlib.suppress(ValueError):  # Python writes no number of so many digits
        return json.dumps(data).encode()
    return b"{}"


LINES = (
    st.binary(max_size=200).map(lambda data: data + b"\n")
    | MESSAGES.map(lambda data: dumped(data) + b"\n")
    | st.sampled_from([b"{\n", b"}\n", b"{" * 5000 + b"\n", b'{"type": ' + b"[" * 3000 + b"\n"])
)


class Said:
    """A child that has said something, and ended."""

    def __init__(self, lines: Any, code: int = 0) -> None:
        self._lines, self._code = lines, code

    def lines(self) -> Iterator[tuple[str, bytes] | None]:
        for line in self._lines:
            yield "stderr", line

    def wait(self, _timeout: float) -> int:
        return self._code


def watched(lines: Any, code: int = 0) -> Created | None:
    """What `borg create` did by this; None where it ended with an error of ours."""
    child: Any = Said(lines, code)
    shown: list[str] = []
    try:
        return create.watch(
            child,
            "client",
            Order(archive="a-{now}"),
            alive=lambda: True,
            emit=lambda event: shown.append(event.to_json()),
        )
    except BorgpullError as error:
        safe(error.message)
        return None


@given(st.lists(LINES, max_size=8), ARCHIVES | JSON, st.sampled_from([0, 1, 2, 105, -9]))
def test_what_borg_says_of_a_backup(lines: list[bytes], about: object, code: int) -> None:
    answer = [*lines, b"{\n", dumped(about)[1:-1] + b"\n", b"}\n"]
    done = watched(answer, code)
    if done is None:
        return
    Order(archive="a-{now}").fits(done.name)
    for number in (done.read_files(), done.unchanged_files()):
        size(number)
    for warning in done.warnings:
        safe(warning.path + warning.text)
    asked: list[bytes] = []

    def shell(_script: str, data: bytes) -> Completed:
        asked.append(data)
        return Completed(0, b"", "")

    vanished.there_again(shell, [warning.path for warning in done.warnings])


@given(near(*create.NUMBERS, "path", type=st.just("archive_progress")))
def test_borgs_progress_can_be_shown(message: dict[str, Any]) -> None:
    shown: list[Event] = []
    create._Progress(shown.append, None).tell(message)
    screen = Screen(json_lines=False, verbose=True)
    for event in shown:
        screen(event)
        event.to_json()


@given(st.lists(LINES, max_size=8), st.sampled_from([0, 1, 2, 105]))
def test_what_borg_says_of_a_restore(lines: list[bytes], code: int) -> None:
    item = Item("a", "-rw-r--r--", 1, 0, 0, 0, "root", "root")
    child: Any = Said(lines, code)
    with contextlib.suppress(BorgpullError):
        extract.watch(child, "client", [item], alive=lambda: True, emit=lambda event: None)


@given(st.binary() | MESSAGES.map(dumped), st.integers(-64, 255), st.text())
def test_borgs_messages(line: bytes, code: int, text: str) -> None:
    message = messages.parse(line)
    if message is not None:
        messages.file_warning(message)
    safe(messages.from_exit(code, text, "client").message)


WORDS = st.sampled_from(
    "user machine has ssh connection borg missing folder cache runtime forced mounts".split()
)
ANSWERS = st.lists(st.tuples(WORDS, TEXT | st.just("borg 1.4.5 /usr/bin/borg")), max_size=12).map(
    lambda pairs: "\n".join(["greeting", *(f"borgpull-{word} {text}" for word, text in pairs)])
)


@given(st.binary() | ANSWERS.map(lambda text: text.encode(errors="replace")))
def test_the_answer_of_setup(answer: bytes) -> None:
    facts = answers.read(answer)
    assert all(number > 0 for number in facts.missing)
    if facts.folder:
        assert facts.folder.startswith("/") and " " not in facts.folder


def test_numbers_in_the_answer_of_setup() -> None:
    for digits in ("9" * 5000, "0", "-1", "²"):
        assert answers.read(f"\nborgpull-missing {digits}\n".encode()).missing == {}
        assert answers.read(f"\nborgpull-borg borg {digits}.1.1 /b\n".encode()).borg is None or (
            digits == "0"
        )


FIELDS = st.lists(
    st.sampled_from(["36", "98:0", "/", "/a", r"/a\040b", r"/\777", "-", "ext4", "fuse.x", "tmpfs"])
    | TEXT,
    max_size=12,
)


@given(st.binary() | st.lists(FIELDS.map(" ".join), max_size=6).map("\n".join).map(encoded))
def test_mountinfo(data: bytes) -> None:
    parse(data)
    for pattern in of_client(data, ["/"]).patterns():
        re.compile(pattern.removeprefix("re:").encode().decode())


def test_an_octal_number_that_is_no_byte() -> None:
    assert parse(rb"1 2 3 / /\777 rw - tmpfs x") == {r"/\777": "tmpfs"}


@given(TEXT, st.booleans())
def test_what_ssh_says(text: str, connected: bool) -> None:
    safe(diagnose.from_ssh(text, TARGET, connected=connected).message)
    back.from_client(text, TARGET)
    back.allocated_port(text)


@given(TEXT, TEXT, st.booleans())
def test_what_a_client_says_beside_it(text: str, more: str, jump: bool) -> None:
    via = TARGET if jump else None
    error = diagnose.from_ssh(f"Authenticated to x ([::1]:22) using y\n{text}", TARGET, via=via)
    assert len(safe(words.said(text, more))) <= 12 * (words.SHOWN_CHARS + 2)
    assert "\n" not in words.said(text, more)
    assert error.hint
    words.advice(text, TARGET)


def test_a_long_text_of_ssh_is_searched_in_time() -> None:
    for part in (
        "No a",
        "host key ",
        "subsystem ",
        "Connection closed by ",
        "a@",
        "Authenticated to ",
    ):
        for via in (None, TARGET):
            diagnose.from_ssh(part * 100_000, TARGET, via=via)
            diagnose.from_ssh(f"{part}\n" * 100_000, TARGET, via=via)
        back.from_client(part * 100_000, TARGET)
        words.said(part * 100_000)


@given(st.lists(st.tuples(st.sampled_from(["full", "noexec", "closed", "x"]), TEXT, TEXT)))
def test_folders_that_a_client_tells(lines: list[tuple[str, str, str]]) -> None:
    answer = "".join(f"\nborgpull-refused {' '.join(line)}" for line in lines)
    facts = answers.read(encoded(answer))
    assert len(facts.refused) <= room.TOLD
    safe(room.no_place(TARGET, facts.refused).message)


@given(st.binary() | st.binary().map(lambda data: b"-----BEGIN OPENSSH PRIVATE KEY-----" + data))
def test_a_file_of_a_key(data: bytes) -> None:
    keys.has_passphrase(data + b"-----END")


def surveyed(answer: bytes) -> Ground | None:
    item = Item("a/b", "-rw-r--r--", 1, 0, 0, 0, "root", "root", place="a/b")
    site = Site(
        name="client:/r",
        folder="/r",
        alive=lambda: True,
        survey=ByScript(
            name="client:/r", folder="/r", run=lambda word, data: Completed(0, answer, "")
        ),
        extract=lambda order, watch: extract.Extracted(),
    )
    try:
        return survey.look(site, [item])
    except TargetNotUsable:
        return None


FACTS = st.lists(
    st.sampled_from(["user 0 root", "free 1 2 3 4", "state folder", "writable yes", "names "])
    | st.tuples(st.sampled_from(["user", "free", "capabilities", "state"]), TEXT).map(" ".join),
    max_size=8,
).map(lambda lines: [f"borgpull-{line}" for line in lines])
STATS = st.lists(st.sampled_from(["11", "10", "=2", "!", "81a4 1 2 0 0 1:2 root/root"]) | TEXT)


@given(
    st.binary()
    | st.tuples(FACTS, STATS).map(
        lambda parts: "\n".join([*parts[0], "borgpull-names ", *parts[1], ""]).encode(
            errors="replace"
        )
    )
)
def test_the_survey_of_a_target(answer: bytes) -> None:
    ground = surveyed(answer)
    if ground is not None:
        size(ground.free_bytes)
        assert len(ground.found) <= 2


@given(st.lists(st.tuples(st.sampled_from(losses.NAMES), TEXT).map(" ".join)).map("\n".join))
def test_counts_of_losses(text: str) -> None:
    found = losses._counted(
        lambda script: text.encode(errors="replace"), losses.NAMES, "", ["/"], []
    )
    assert all(count is None or 0 <= count < 10**18 for count in found.values())


@given(st.binary(max_size=400), st.binary(max_size=40) | NUMBERS.map(str.encode), st.booleans())
def test_the_clients_walk(data: bytes, clock: bytes, begun: bool) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as source:
        os.write(writer, (b"borgpull-walk " + clock + b"\0" if begun else b"") + data)
        os.close(writer)
        walk = ClientWalk(source.fileno())
        if walk.header() is None:
            return
        with contextlib.suppress(WalkBroken):
            list(walk.paths())
            for line in walk.said:
                complaint(line)


ENTRIES = near(
    "archive",
    "id",
    "time",
    "event",
    "archives",
    "removed",
    "made",
    "items",
    event=st.sampled_from([*ledger.PAIRS, None]) | JSON,
    archives=st.lists(st.lists(st.text() | st.none(), max_size=3), max_size=3) | JSON,
    time=st.integers(-5, ledger.LAST_TIME + 5) | JSON,
)


@given(st.lists(st.binary(max_size=60) | ENTRIES.map(dumped), max_size=5))
def test_lines_of_a_ledger(lines: list[bytes]) -> None:
    with TemporaryDirectory() as name:
        path = ledger.path_of(Path(name), "client")
        path.parent.mkdir(parents=True)
        path.write_bytes(b"\n".join(lines))
        with contextlib.suppress(LedgerUnreadable):
            ledger.known(ledger.lines(Path(name), "client"))
            ledger.entries(Path(name), "client")
            ledger.see(Path(name), "client", [])


@given(st.binary(max_size=60) | near("prune", "check").map(dumped) | JSON.map(dumped))
def test_when_a_client_was_last_good(content: bytes) -> None:
    with TemporaryDirectory() as name:
        path = lastgood.path_of(Path(name), "client")
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        found = lastgood.read(Path(name), "client")
        assert all(0 <= when <= ledger.LAST_TIME for when in found.values())


@given(st.binary() | JSON.map(lambda data: dumped({"borgpull": 1, "event": "result", "x": data})))
def test_events_of_a_sidecar(line: bytes) -> None:
    event = Event.from_json(line)
    if event is not None and event.kind == "result" and "verb" in event.data:
        Result.from_dict(event.data)


def test_a_client_that_says_ever_new_things_fills_no_memory() -> None:
    """56 MiB of lines go in; what is kept has an end."""
    long = "x" * (1 << 20)

    def flood() -> Iterator[bytes]:
        yield b"{\n"  # JSON that never ends
        for _ in range(8):
            yield b" " * (1 << 20) + b"\n"
        yield b"}\n"
        for number in range(8):
            yield dumped({"type": "file_status", "status": f"{number}{long}", "path": "a"}) + b"\n"
        for number in range(40):
            text = f"{number}{long}: open: [Errno 5] Input/output error"
            message = {"type": "log_message", "levelname": "WARNING", "message": text}
            yield dumped(message) + b"\n"

    tracemalloc.start()
    try:
        done = watched(flood())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100 << 20
    assert done is not None and done.more_warnings > 0
    assert done.statuses == {"?": 8}
