"""Each command, with nonsense: one line, one hint, a code of the table, and never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from borgpull.cli import main
from borgpull.errors import DrillFailed, NoDocker, NotProved, UsageError, all_errors
from borgpull.launchers import docker
from tests.support.commands import commands

BORGPULL = Path(sys.executable).with_name("borgpull")
CODES = {error.exit_code for error in all_errors()}
WORDS = ("", "../x", "\udcff", "-", "a\nb", "x" * 5000, "/nonexistent/file", "[fe80::1", "a=b")
VALUES = ("", "\udcff", "/nonexistent/file")
NUMBERS = ("-1", "9" * 30, "")
# What does no job ends well with some of it: a folder may have any name.
MAY_END_WELL = {"render seccomp", "render exit-codes", "render socket", "version"}
# It reads a job: below.
OTHERS = {"job"}
COMMANDS = dict(item for item in commands(hidden=True) if item[0] not in OTHERS)


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No engine, no keys, no configuration: a command that comes as far as that has to tell it."""

    def launch(*_: object) -> NoReturn:
        raise NoDocker("no engine")

    monkeypatch.setattr(docker, "launch", launch)
    for name in [name for name in os.environ if name.startswith(("BORGPULL_", "SSH_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def sane(command: Any) -> list[str]:
    """A word for each argument and option that must be there."""
    needed = [item for item in command.params if item.required]
    options = [word for item in needed if item.opts[0][:1] == "-" for word in (item.opts[0], "/to")]
    return [*options, *("web1" for item in needed if item.opts[0][:1] != "-")]


def bad(command: Any) -> Iterator[list[str]]:
    """Command lines with one nonsense in each."""
    good = sane(command)
    arguments = [item for item in command.params if item.param_type_name == "argument"]
    options = len(good) - sum(1 for item in arguments if item.required)
    for number, _ in enumerate(arguments):
        for word in WORDS:
            words = good + ["web1"] * (options + number + 1 - len(good))
            words[options + number] = word
            yield [*words[:options], "--", *words[options:]] if word == "-" else words
    for item in command.params:
        if item.param_type_name == "option" and not item.is_flag:
            values = NUMBERS if "int" in type(item.type).__name__.lower() else VALUES
            yield from ([f"{item.opts[0]}={value}", *good] for value in values)


def ended(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["borgpull", *words])
    with pytest.raises(SystemExit) as end:
        main()
    return int(str(end.value.code or 0))


def assert_told(code: int, out: str, err: str, *, as_json: bool = False) -> None:
    assert code in CODES and code != 1
    if as_json:
        (line,) = out.splitlines()
        assert json.loads(line)["failure"]["exit_code"] == code
        assert err == ""
        return
    first, second = err.splitlines()
    assert first.startswith("borgpull: error: ") and second.startswith("hint: ")
    assert out == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_wrong_words(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown option, and no argument at all, are told as wrong usage."""
    command = COMMANDS[name]
    lines = [[*name.split(), *sane(command), "--nonsense"], [*name.split(), "--nonsense="]]
    if sane(command):
        lines.append(name.split())
    for words in lines:
        for more in ([], ["--json"]):
            code = ended([*words, *more], monkeypatch)
            assert_told(code, *capsys.readouterr(), as_json=bool(more))
            assert code == UsageError.exit_code


@pytest.mark.parametrize("name", COMMANDS)
def test_wrong_values(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = COMMANDS[name]
    has_json = any("--json" in item.opts for item in command.params)
    for number, words in enumerate(bad(command)):
        as_json = has_json and number % 2 == 1
        line = [*name.split(), *(["--json"] if as_json else []), *words]
        code = ended(line, monkeypatch)
        out, err = capsys.readouterr()
        if any(word.startswith("--result-file=/") for word in words):
            err, warned, _ = err.partition("warning: cannot write the result to ")
            assert warned
        if name == "drill" and code in (NotProved.exit_code, DrillFailed.exit_code):
            assert out  # whatever stops a drill, it has a result
            continue
        if code == 0 and name in MAY_END_WELL:
            assert out and not err
            continue
        try:
            assert_told(code, out, err, as_json=as_json)
        except (AssertionError, ValueError) as error:
            pytest.fail(f"{line} -> {code}: {error}\n{out[:500]}\n{err[:2000]}")


@pytest.mark.parametrize(
    "words", [["nonsense"], ["--nonsense"], ["-z"], [""], ["\udcff"], ["render"]]
)
def test_no_command(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for more in ([], ["--json"]):
        code = ended([*words, *more], monkeypatch)
        assert_told(code, *capsys.readouterr(), as_json=bool(more))
        assert code == UsageError.exit_code


def test_wrong_variables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BORGPULL_LOCK_WAIT", "soon")
    assert ended(["pipe", "web1"], monkeypatch) == UsageError.exit_code
    assert "BORGPULL_LOCK_WAIT" in capsys.readouterr().err
    monkeypatch.setenv("BORGPULL_JSON", "1")
    assert_told(ended(["pipe", "web1"], monkeypatch), *capsys.readouterr(), as_json=True)
    # Their output goes into files.
    for words in (["authorize", "web1", "--ssh-key", "/nope"], ["render", "socket", "../x"]):
        assert_told(ended(words, monkeypatch), *capsys.readouterr())


@pytest.mark.parametrize(
    "words", [["doctor"], ["restore", "web1", "latest", "--to", "/srv"], ["trust", "web1"]]
)
def test_an_option_of_ssh_is_looked_at_even_where_it_is_of_no_use(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended([*words, "--ssh-option", "Bad=1"], monkeypatch) == UsageError.exit_code
    assert "Bad" in capsys.readouterr().err


def test_nothing_at_all_shows_the_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended([], monkeypatch) == UsageError.exit_code
    assert "Usage: borgpull" in capsys.readouterr().out
    assert ended(["--version"], monkeypatch) == 0


def finished(argv: list[str | bytes], stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, input=stdin.decode("latin-1"), encoding="latin-1", capture_output=True, check=False
    )


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"\n", b"nonsense\n", b"\xff\xfe\n", b"[1]\n", b"{}\n", b"null\n", b"0" * 100_000),
        *(b'{"version": 1}\n', b'{"version": 2, "verb": "x"}\n', b"[" * 100_000 + b"\n"),
    ],
    ids=lambda line: line[:20],
)
def test_a_broken_job(line: bytes) -> None:
    done = finished([str(BORGPULL), "job"], line)
    assert_told(done.returncode, done.stdout, done.stderr, as_json=True)


def test_a_job_takes_no_words() -> None:
    done = finished([str(BORGPULL), "job", "x"])
    assert_told(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("words", [[b"list", b"\xff"], [b"\xff\xfe"], [b"pipe", b"a", b"--\xff"]])
def test_bytes_that_are_no_text(words: list[bytes]) -> None:
    done = finished([str(BORGPULL).encode(), *words])
    assert_told(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("option", ["--show-completion", "--install-completion"])
def test_completion_of_an_unknown_shell(
    option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from typer import _completion_shared, completion

    for module in (_completion_shared, completion):
        monkeypatch.setattr(module, "_get_shell_name", lambda: "nonsense")
    assert_told(ended([option], monkeypatch), *capsys.readouterr())


def test_completion_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from typer import _completion_shared

    monkeypatch.setattr(_completion_shared, "_get_shell_name", lambda: "bash")
    monkeypatch.setenv("HOME", "/dev/null")
    code = ended(["--install-completion"], monkeypatch)
    assert_told(code, *capsys.readouterr())
    assert code == 10
