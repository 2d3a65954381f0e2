"""A script for another machine's sh, independent of the login shell in between.

sshd hands a command to the login shell as one text. csh takes no newline in a quoted word, and fish
treats backslashes differently. So that text is always the same, and the script is the first line of
the input. The scripts are plain files in `scripts`, which a shell checker can read.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

# Every login shell reads these words alike. sh reads its line byte by byte, so the rest of the
# input is the script's.
WORDS = ("sh", "-c", "'IFS= read -r line; eval \"$line\"'", "sh")
_SCRIPTS = Path(__file__).with_name("scripts")
# Sets `$nl` to a newline.
_NEWLINE = 'nl=$(printf "\\nx") nl=${nl%x}'


def script(name: str) -> str:
    """The text of a file in `scripts` (`run.sh`)."""
    return (_SCRIPTS / name).read_text(encoding="utf-8")


def line(script: str, *words: str) -> bytes:
    """The first line of the input of WORDS, which makes it run `script` with `words`."""
    text = f"{_NEWLINE}; set -- {quoted(words)}; eval {quoted([script])}\n"
    return text.encode(errors="surrogateescape")


def quoted(words: Sequence[str]) -> str:
    """Words for `eval "set -- …"` in one line: `$nl` stands for a newline."""
    return " ".join(shlex.quote(word).replace("\n", "'\"$nl\"'") for word in words)
