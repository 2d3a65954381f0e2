"""root on the client, by sudo; and the errors if no shell answers there."""

from __future__ import annotations

import re

from borgpull.errors import BorgpullError, ClientUnsuitable, SudoRefused
from borgpull.process import Completed
from borgpull.ssh import words
from borgpull.ssh.session import Session


def as_root(sudo: bool) -> tuple[str, ...]:
    """-n: sudo must never ask for a password, because no user is there to type it."""
    return ("sudo", "-n", "--") if sudo else ()


def no_answer(
    session: Session, done: Completed, *, sudo: bool, instead: str = "use the sshfs method"
) -> BorgpullError:
    """The error if no shell has answered one of our scripts. Raises ConnectionLost."""
    target = session.config.target
    spoken = words.said(done.stdout.decode(errors="replace"), done.stderr)
    if sudo and b"borgpull-shell" in session.run("echo", "borgpull-shell").stdout:
        return sudo_refused(session, done.stderr)
    return ClientUnsuitable(
        f"no shell answers on {target}: {spoken or f'no message, code {done.returncode}'}",
        hint=words.advice(spoken, target)
        or f"use a key without a forced command; or {instead}, which needs no shell",
    )


def sudo_refused(session: Session, error: str) -> SudoRefused:
    """`error` is the message of sudo, or of the shell that did not find sudo."""
    user = session.config.target.user
    last = words.last(error)
    if re.search(r"sudo: .*not found|not found: sudo|no such file", last, re.IGNORECASE):
        hint = f"install sudo there, or log in as root: root@{session.config.target.host}"
    elif "tty" in last:
        hint = f"put this line into /etc/sudoers.d/borgpull there: Defaults:{user} !requiretty"
    else:
        hint = (
            "put this line into /etc/sudoers.d/borgpull there (it makes "
            f"{user} as good as root): {_in_sudoers(user)} ALL=(root) NOPASSWD: {SUDO_COMMAND}"
        )
    return SudoRefused(f"sudo on {session.config.target.host} refuses {user}: {last}", hint=hint)


def _in_sudoers(user: str) -> str:
    """sudoers(5): these characters are quoted by a backslash."""
    return re.sub(r"([\\@+])", r"\\\1", user)


# A program that runs a shell as root can do anything. A narrower line would only look safer.
SUDO_COMMAND = "/bin/sh, /usr/bin/sh"
