"""What systemd makes of the words and of the values that are written for it."""

from __future__ import annotations

import os
import random
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from borgpull.renderers.units import quoted, timer, word
from tests.support.rendered import COMMANDS, keys, planned

SYSTEMD = Path("/lib/systemd/systemd")
NOBODY = 65534
ODD = [
    *("", " ", "a b", "it's", "'", '"', '"q"', "\\", "a\\", "\\n", "\\\\", "\\x41", "a;b", ";"),
    *("$", "$$", "$HOME", "${HOME}", "%", "%%", "%h", "%n%Y", "#", "-", "--x=y", "@", "!", ":x"),
    *("é", "\U0001f600", "\u00a0", "`x`", "*?[a]", "|&<>", "a,b=c"),
]


def random_words(number: int) -> list[str]:
    source = random.Random("words")
    letters = "ab \\\"'$%{};#-\u00e9"
    return ["".join(source.choices(letters, k=source.randint(1, 8))) for _ in range(number)]


def loaded(folder: Path, unit: str, text: str) -> str:
    """What systemd says of a unit that it has loaded, as a user's manager that starts nothing."""
    (folder / unit).write_text(text)
    # As root it does no test.
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    done = subprocess.run(
        [str(SYSTEMD), "--test", "--user", f"--unit={unit}", "--no-pager"],
        env={"SYSTEMD_UNIT_PATH": f"{folder}:", "XDG_RUNTIME_DIR": "/tmp", "HOME": "/tmp"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **user,  # type: ignore[call-overload]
    )
    start = rf"-> Unit {re.escape(unit)}:\n"
    found = re.search(rf"{start}(.*?)(?=-> Unit |\Z)", done.stdout, re.DOTALL)
    assert found, done.stdout[-2000:] + done.stderr
    return found[1]


def shown_words(line: str) -> list[str]:
    """systemd shows a command line in double quotes and backslashes, as for a shell."""
    found = re.findall(r'"((?:[^"\\]|\\.)*)"|([^ ]+)', line)
    return [bare or re.sub(r"\\(.)", r"\1", inside) for inside, bare in found]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that another user can look into: the folders of pytest are its user's own."""
    with tempfile.TemporaryDirectory(prefix="borgpull-units-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.skipif(not SYSTEMD.exists() and not os.environ.get("CI"), reason="no systemd here")
def test_each_word_is_one_word_and_means_itself(open_folder: Path) -> None:
    words = [*ODD, *random_words(300)]
    line = " ".join(map(word, words))
    text = f"[Service]\nType=oneshot\nExecStart=/bin/true {line}\n"
    (shown,) = re.findall(r"Command Line: (.*)", loaded(open_folder, "words.service", text))
    # Variables are put in later, at the start: each dollar sign has another one beside it.
    argv = shown_words(shown)[1:]
    assert all(len(run) % 2 == 0 for text in argv for run in re.findall(r"\$+", text))
    assert [text.replace("$$", "$") for text in argv] == words


@pytest.mark.skipif(not SYSTEMD.exists() and not os.environ.get("CI"), reason="no systemd here")
def test_each_path_is_waited_for(open_folder: Path) -> None:
    paths = ["/srv/a b", "/srv/it's", "/srv/$x", "/srv/%h", "/srv/é", '/srv/"q"', "/srv/b\\c"]
    needed = f"RequiresMountsFor={' '.join(map(quoted, paths))}"
    text = f"[Unit]\n{needed}\n[Service]\nType=oneshot\nExecStart=/bin/true\n"
    shown = loaded(open_folder, "paths.service", text)
    assert set(paths) <= set(re.findall(r"RequiresMountsFor: (\S.*?) \(", shown))


def test_the_timer_of_a_line_with_two_days() -> None:
    from borgpull.cli.rendered import Timing

    timing = Timing(schedule="0 3 1 * sun", timezone="Europe/Berlin")
    found = keys(timer(planned(COMMANDS["check"], timing=timing)))
    assert found["Timer.OnCalendar"] == [
        "*-*-01 03:00:00 Europe/Berlin",
        "Sun *-*-* 03:00:00 Europe/Berlin",
    ]
    assert found["Timer.Persistent"] == ["true"]
    assert not any("Delay" in key for key in found)
