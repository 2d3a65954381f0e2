"""The first step on a client: look at it, and make our folder ready.

It is one command with one answer: over a slow link, more round trips would cost time.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import time
from collections.abc import Callable, Sequence

from borgpull import signals
from borgpull.client import room
from borgpull.client.facts import Facts, clock_skew, read
from borgpull.client.shell import script
from borgpull.client.sudo import as_root, no_answer
from borgpull.errors import BorgpullError
from borgpull.process import Completed
from borgpull.ssh.session import Session

SETUP_SECONDS = 60.0
CLEANINGS = 3
# After a signal, this side needs these seconds. The client gets the rest of the time.
SPARE_SECONDS = 2.0


def setup(
    session: Session,
    identity: str,
    *,
    paths: Sequence[str],
    keep: bool,
    runtime: bool,
    borg: str | None,
    sudo: bool,
    cache: int = 0,
) -> Facts:
    """Ready the folder. Raises ClientFull, ClientUnsuitable, SudoRefused, ConnectionLost.

    `identity` is 16 hexadecimal digits. `runtime` says that our programs must run there, unless the
    client's own borg is suitable. `cache` is the size of borg's cache the last time, in bytes.
    """
    operands = [identity, yes(keep), yes(runtime), borg or "-", str(room.room_for(cache)), *paths]
    end = script("kill.sh")
    scripts = f"{end}{script('probe.sh')}{script('folder.sh')}{script('setup.sh')}"
    text = f"set -- {shlex.join(operands)}\nid=$1 keep=$2 runtime=$3 borg=$4 cache=$5\n{scripts}"
    for name, content in {
        "run": script("run.sh"),
        "rsh": script("rsh.sh"),
        "tool": end + script("tool.sh"),
    }.items():
        text += f"cat >\"$chosen/{name}\" <<'BORGPULL-END'\n{content}BORGPULL-END\n"
    text += "say mounts\ncat /proc/self/mountinfo 2>/dev/null\n"
    facts, done = _answer(session, identity, text, sudo)
    if facts.forced:
        return facts
    if not facts.user:
        raise no_answer(session, done, sudo=sudo)
    if not facts.folder:
        raise room.no_place(session.config.target, facts.refused)
    return facts


def probe(session: Session) -> tuple[Facts, Completed]:
    """Facts as `setup` finds them without paths. Leaves nothing there. Raises ConnectionLost."""
    identity = os.urandom(8).hex()
    text = f"id={identity} keep=no runtime=yes borg=- cache={room.room_for(0)} chosen=\n"
    text += f"{script('probe.sh')}{script('folder.sh')}"
    text += 'umask 077\nchoose\n[ -z "$chosen" ] || { rm -rf "$chosen"; say folder "$chosen"; }\n'
    return _answer(session, identity, text, sudo=False)


def _answer(session: Session, identity: str, text: str, sudo: bool) -> tuple[Facts, Completed]:
    """The client's answer to a script. Raises ConnectionLost."""
    asked = time.time()
    done = session.run(
        *as_root(sudo),
        *_shell(identity),
        stdin=text.encode(errors="surrogateescape"),
        timeout=SETUP_SECONDS,
    )
    facts = read(done.stdout)
    return facts._replace(skew=clock_skew(facts.time, asked, time.time())), done


def _shell(identity: str) -> tuple[str, str, str]:
    """A shell with our folder's name in its words, by which `end` (kill.sh) can find it later."""
    return ("sh", "-s", f"borgpull-{identity}/")


def sweep(session: Session, identity: str, *, keep: bool, sudo: bool) -> None:
    """Undo an interrupted `setup`. If that fails, the next run does it. Raises Interrupted."""
    text = f"set -- {identity} {yes(keep)}\n{script('kill.sh')}{script('cleanup.sh')}"
    argv = (*as_root(sudo), *_shell(identity))

    def clean() -> int:
        seconds = signals.patience(SETUP_SECONDS, spare=SPARE_SECONDS)
        return session.run(*argv, stdin=text.encode(), timeout=seconds).returncode

    clean_up(clean)


def clean_up(clean: Callable[[], int]) -> None:
    """Clean up on the client, if it can be reached. `clean` runs the command for its exit code.

    The interrupted command may still run on the client, and it kills other processes of our folder,
    including this clean-up. So retry, up to CLEANINGS times. A pending signal is raised at the end.
    A client that takes too long is left to the next run. Raises Interrupted.
    """

    def until_done() -> None:
        for _ in range(CLEANINGS):
            if clean() == 0 or signals.out_of_time(spare=SPARE_SECONDS):
                return

    with contextlib.suppress(BorgpullError):
        signals.to_its_end(until_done)


def yes(value: bool) -> str:
    return "yes" if value else "no"
