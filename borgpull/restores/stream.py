"""stream: borg extract here, and a helper of ours on the target, which writes what it is sent.

The target needs a shell and a Python. No file of ours is there, not even for a moment: programs
come on standard input. The target learns neither key nor passphrase, and nothing is lost that borg
has stored. The target's own `stat` judges afterwards, not what the helper says.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from borgpull import events
from borgpull.borg import messages
from borgpull.borg.command import Borg
from borgpull.borg.extract import AGAIN, Extracted, broken
from borgpull.borg.inside import sending
from borgpull.borg.messages import FileWarning, no_room
from borgpull.client import shell
from borgpull.client.facts import read
from borgpull.client.shell import script
from borgpull.client.sudo import as_root, no_answer
from borgpull.client.survey import AttributesByScript, ByScript
from borgpull.errors import BorgpullError, ClientUnsuitable, ConnectionLost, HostileClient
from borgpull.events import Emit
from borgpull.jobs import Restore
from borgpull.process import TAIL_BYTES, Completed, Running, pipe, running
from borgpull.restores.base import MAX_SURVEY, SURVEY_SECONDS, Order, Site, Watch
from borgpull.restores.native import require_free
from borgpull.restores.survey import by_shell
from borgpull.ssh import route
from borgpull.ssh.session import SSH_FAILED, Session, connected, lost

# borg's extract, which sends instead of writing.
SENDING = (sys.executable, "-P", "-m", "borgpull.borg.inside.sending")
# The helper's parts, and the names that they know each other by.
PARTS = ("writing", "writing_attributes", "write")
MODULE = "borgpull.client.scripts."
INSTEAD = "--how tar, which loses xattrs and ACLs; or --how native, which tells it the passphrase"
MAX_SAID = 1000  # lines of the target that are shown
# A helper that has said its last word ends at once.
END_SECONDS = 60.0


@contextlib.contextmanager
def open_site(job: Restore, borg: Borg, folder: Path, emit: Emit) -> Iterator[Site]:
    """Connect. Raises the errors of ssh, ClientUnsuitable, SudoRefused."""
    access = job.there
    config = route.to_client(access, job.places, job.client, folder)
    events.phase(emit, "connect", f"connecting to {access.target}")
    with connected(config, folder) as session:
        sh = (*as_root(access.sudo), *shell.WORDS)
        _require_python(session, sh, sudo=access.sudo)
        helpers: list[Running] = []

        def alive() -> bool:
            """Are the connection and its commands alive? An ssh may end a moment earlier."""
            return session.alive() and SSH_FAILED not in [one.popen.poll() for one in helpers]

        def run_attributes(data: bytes) -> Completed:
            program = programs("attributes")
            stdin = program + data
            return session.run(*sh, stdin=stdin, timeout=SURVEY_SECONDS, max_output=MAX_SURVEY)

        def extract(order: Order, watch: Watch) -> Extracted:
            patterns = folder / "patterns"
            patterns.write_bytes(order.patterns)
            words = order.extract("--patterns-from", str(patterns))
            sender = borg._replace(program=(*SENDING, job.into))
            with _joined(session.command(*sh), sender, words) as (child, helper):
                helpers.append(helper)
                done = _watched(watch, child)
                return _ended(done, child, helper, alive, emit)

        name = f"{access.target}:{job.into}"
        yield Site(
            name=name,
            folder=job.into,
            alive=alive,
            survey=ByScript(name=name, folder=job.into, run=by_shell(session, sh)),
            extract=extract,
            attributes=AttributesByScript(folder=job.into, run=run_attributes),
            holes=True,
            halves=False,
        )


def programs(*names: str) -> bytes:
    """The input of shell.WORDS that runs these scripts, one after the other, in a Python there."""
    texts = [script(f"{name}.py").encode() for name in names]
    words = [MODULE + name for name in names]
    return shell.line(script("python.sh"), *words) + b"".join(b"%8d" % len(t) + t for t in texts)


def _require_python(session: Session, sh: tuple[str, ...], *, sudo: bool) -> None:
    """Raises ClientUnsuitable, SudoRefused, ConnectionLost."""
    done = session.run(*sh, stdin=shell.line(script("python.sh")))
    facts, target = read(done.stdout), session.config.target
    require_free(facts, target)
    if not facts.user:
        raise no_answer(session, done, sudo=sudo, instead="--how numeric")
    if "python3" not in facts.has:
        raise ClientUnsuitable(f"{target} has no Python 3.6 or newer", hint=f"take {INSTEAD}")


@contextlib.contextmanager
def _joined(there: list[str], sender: Borg, words: list[str]) -> Iterator[tuple[Running, Running]]:
    """Run borg here and the command `there`, with the input and output of each as the other's."""
    with (
        pipe() as (frames, to_helper),
        pipe() as (answers, from_helper),
        running(there, name="the helper", stdin=frames, stdout=from_helper) as helper,
    ):
        frames.close()
        from_helper.close()
        with contextlib.suppress(BrokenPipeError):  # ssh has ended, and its code says why
            to_helper.write(programs(*PARTS))
        with sender.running("extract", *words, stdin=answers, stdout=to_helper) as child:
            answers.close()
            to_helper.close()
            yield child, helper


def _watched(watch: Watch, child: Running) -> Extracted:
    """Raises as `watch`, but not if borg was ended by what the target does."""
    try:
        return watch(child)
    except ConnectionLost:
        raise
    except BorgpullError as error:
        return Extracted(returncode=child.wait(0), failure=error)


def _ended(
    done: Extracted, child: Running, helper: Running, alive: Callable[[], bool], emit: Emit
) -> Extracted:
    """Wait for the helper's end. Raises ConnectionLost, HostileClient, or borg's own error."""
    if done.returncode == sending.HOSTILE:
        raise HostileClient(f"the target's helper lies: {_reason(child)}")
    if done.returncode == sending.STALLED:
        raise ConnectionLost(_reason(child), hint=f"the same command with {AGAIN}")
    said, deadline = "", time.monotonic() + END_SECONDS
    for number, item in enumerate(helper.lines()):
        if time.monotonic() > deadline:
            raise HostileClient("the target's helper does not end")
        if item and (text := item[1].decode(errors="replace").strip()):
            said = text
            if number < MAX_SAID:
                events.debug(emit, f"the target: {text[:TAIL_BYTES]}")
    code = helper.wait(60)
    if done.returncode == sending.LOST and (code == SSH_FAILED or lost(alive, code)):
        raise broken(done)
    if done.returncode == sending.LOST or (code and done.failure is None):
        done.failure = None
        text = f"the helper on the target ended with {code}: {said[:200] or 'no message'}; {AGAIN}"
        done.warnings.append(FileWarning("helper", "", no_room(text), text))
    elif done.failure is not None and not done.items:
        raise done.failure
    return done


def _reason(child: Running) -> str:
    """The last thing that our sender has said."""
    message = messages.parse(child.stderr().rpartition("\n")[2].encode()) or {}
    return str(message.get("message", "no message"))
