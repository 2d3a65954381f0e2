"""An engine that was started before anybody knows what it is to do, by a program in its place."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from borgpull.borg import loading
from borgpull.process import CommandError, Running
from borgpull.secrets import Secret

# Tells what it was started with, and what it was told.
TELLS = """
import json, os, sys
before = dict(os.environ)
told = json.loads(sys.stdin.readline())
fd = told["env"].get("BORG_PASSPHRASE_FD")
secret = os.read(int(fd), 100).decode() if fd else None
print(json.dumps({"before": before, "argv": sys.orig_argv, **told, "secret": secret}))
"""
# Says more than a pipe holds.
LINES, LONG = 200, 150_000
SAYS = f"""
import sys
for number in range({LINES}):
    for stream in (sys.stdout, sys.stderr):
        stream.write(str(number) + "x" * {LONG} + "\\n")
"""
# Takes no notice of its input.
BUSY = "import time; print('here', flush=True); time.sleep(600)"


def program(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "PROGRAM", (sys.executable, "-c", text))


def said(child: Running) -> dict[str, object]:
    (line,) = (item[1] for item in child.lines() if item and item[0] == "stdout")
    return dict(json.loads(line))


def open_fds() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@contextlib.contextmanager
def nothing_stays() -> Iterator[list[Running]]:
    """No process of those that are put into the list, and no file descriptor."""
    children: list[Running] = []
    before = open_fds()
    yield children
    assert children
    assert not any(child.alive() for child in children)
    for _ in range(100):  # the threads that read its lines close their ends
        if open_fds() <= before:
            break
        time.sleep(0.05)
    assert open_fds() <= before


@pytest.mark.parametrize("early", [False, True])
def test_what_it_is_comes_later(monkeypatch: pytest.MonkeyPatch, *, early: bool) -> None:
    program(TELLS, monkeypatch)
    with nothing_stays() as children, contextlib.ExitStack() as stack:
        if early:
            stack.enter_context(loading.ahead())
        found = stack.enter_context(loading.taken())
        children.append(found.process)
        found.begin({"BORG_HOST_ID": "me"}, Secret("geheim"), ["create", "::x"], "/state")
        told = said(found.process)
    assert told["secret"] == "geheim"
    assert told["words"] == ["create", "::x"]
    env = told.pop("env")
    assert isinstance(env, dict)
    assert env.pop(loading.PASSPHRASE_FD)
    assert env == {"BORG_HOST_ID": "me"}
    assert loading.ENV.items() <= told["before"].items()  # type: ignore[attr-defined]
    assert "geheim" not in str({**told, "secret": ""})


def test_a_repository_without_a_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    program(TELLS, monkeypatch)
    with nothing_stays() as children, loading.taken() as found:
        children.append(found.process)
        found.begin({}, None, [], "/state")
        assert said(found.process)["secret"] is None


def test_the_first_who_wants_one_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    program(TELLS, monkeypatch)
    with nothing_stays() as children, loading.ahead():
        begun = loading._ahead[0][0].process
        with loading.taken() as first:
            assert first.process is begun
            with loading.taken() as second:
                assert second.process is not begun
                children += [begun, second.process]
        assert not begun.alive(), "it ends with the block that has taken it"
    assert not loading._ahead


def test_one_that_nobody_wants_is_ended_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    program(BUSY, monkeypatch)
    begun = time.monotonic()
    with nothing_stays() as children, contextlib.suppress(KeyError), loading.ahead():
        children.append(loading._ahead[0][0].process)
        raise KeyError  # wrong words, say
    assert time.monotonic() - begun < 10
    with loading.taken() as other:
        assert other.process is not children[0]


def test_one_that_cannot_run_is_told_of_by_who_wants_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(loading, "PROGRAM", (str(tmp_path / "none"),))
    with loading.ahead(), pytest.raises(CommandError), loading.taken():
        pass


def test_one_that_has_ended_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    program("raise SystemExit(7)", monkeypatch)
    with nothing_stays() as children, loading.ahead(), loading.taken() as found:
        children.append(found.process)
        assert found.process.wait(30) == 7
        found.begin({}, Secret("geheim"), [], "/none")
        found.tell({"more": 1})


def test_a_line_stays_whole_if_its_process_is_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by `docker pause`: a write to a full pipe then ends early, and somebody must go on."""
    program(SAYS, monkeypatch)
    found: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
    with nothing_stays() as children, loading.taken() as it:
        children.append(it.process)
        for item in it.process.lines():
            if item is None:
                continue
            found[item[0]].append(item[1].strip())
            with contextlib.suppress(ProcessLookupError):
                it.process.popen.send_signal(signal.SIGSTOP)
                time.sleep(0.001)
                it.process.popen.send_signal(signal.SIGCONT)
                time.sleep(0.001)
    wanted = [str(number).encode() + b"x" * LONG for number in range(LINES)]
    for lines in found.values():
        assert [len(line) for line in lines] == [len(line) for line in wanted]
        assert lines == wanted
