"""A script that comes as a line of its own input, whatever shell starts the sh that reads it."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from borgpull.client import shell

# As sshd does: the words are one text for the login shell.
COMMAND = " ".join(shell.WORDS)
SCRIPT = """# it's a "script"
for word; do printf '<%s>' "$word"; done
case $1 in
a*) printf '%s\\n' "!\\\\n $0" ;;
esac
exec cat
"""
WORDS = ('a b\'s "c"', "two\nlines\n", "", "$(id) `id` \\ ! caf\udce9")


@pytest.mark.parametrize("login", ["sh", "bash", "csh", "tcsh", "fish", "zsh"])
def test_every_login_shell_takes_it(login: str) -> None:
    if shutil.which(login) is None:
        pytest.skip(f"there is no {login} here")
    data = b"the rest\0\xff\nof the input"
    done = subprocess.run(
        [login, "-c", COMMAND],
        input=shell.line(SCRIPT, *WORDS) + data,
        capture_output=True,
        check=False,
    )
    said = "".join(f"<{word}>" for word in WORDS) + "!\\n sh\n"
    assert done.stdout == said.encode(errors="surrogateescape") + data, done.stderr


def test_it_is_one_line() -> None:
    assert shell.line(SCRIPT, *WORDS).count(b"\n") == 1
    assert not set(COMMAND) & set("\n!\\")
