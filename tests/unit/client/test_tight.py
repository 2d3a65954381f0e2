"""A program in fewer bytes is the same program."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from borgpull.client import helper, shell
from borgpull.client.tight import UNPACK, packed, tight

LIMITED = shell.script("limited.py")


@pytest.mark.parametrize(
    "text", [helper.whole(), LIMITED, "if (a and\n  not b):\n    return 'x'\n"]
)
def test_it_is_the_same_program(text: str) -> None:
    found = tight(text)
    assert ast.dump(ast.parse(found)) == ast.dump(ast.parse(text))
    assert len(found) < 0.95 * len(text)


def test_its_word_is_one_for_every_shell() -> None:
    word = packed(tight(helper.whole()))
    assert word.translate({ord(char): None for char in "+/="}).isalnum()
    program = f"import sys,zlib,base64;print(len({UNPACK}))"
    done = subprocess.run([sys.executable, "-c", program, word], capture_output=True, check=True)
    assert int(done.stdout) == len(tight(helper.whole()))
