"""tar: borg export-tar here, and tar on the target, which needs a shell and tar only.

No file of ours is on the target, not even for a moment: scripts come on standard input. The target
learns neither key nor passphrase. What the tar format cannot hold is lost, and counted before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from borgpull import events
from borgpull.borg.command import Borg
from borgpull.borg.extract import PROGRESS, Extracted, broken
from borgpull.borg.messages import FileWarning, no_room
from borgpull.client import shell
from borgpull.client.facts import Facts, read
from borgpull.client.shell import script
from borgpull.client.sudo import as_root, no_answer
from borgpull.client.survey import ByScript
from borgpull.errors import BorgFailed, ClientUnsuitable
from borgpull.events import Emit
from borgpull.jobs import Restore
from borgpull.process import Running, pipe, running
from borgpull.restores.base import Order, Site, Watch
from borgpull.restores.native import require_free
from borgpull.restores.survey import by_shell
from borgpull.ssh import route
from borgpull.ssh.session import SSH_FAILED, Session, connected, lost
from borgpull.trees import losses

# GNU tar sets a folder's time when it leaves the folder, unless told to wait. But an archive may
# return to the folder. The warning about future times is of no use: they are the archive's.
GNU = ("--delay-directory-restore", "--warning=no-timestamp")
# Other tars (busybox 1.37) set a folder's time before they fill the folder. They set neither owner
# nor time of a symlink.
BY_OTHERS = frozenset({"folder_times", "link_times", "link_owners"})
BY_SFTP = "--how numeric or --how chroot"


@contextlib.contextmanager
def open_site(job: Restore, borg: Borg, folder: Path, emit: Emit) -> Iterator[Site]:
    """Connect. Raises the errors of ssh, ClientUnsuitable, SudoRefused."""
    access = job.there
    config = route.to_client(access, job.places, job.client, folder)
    events.phase(emit, "connect", f"connecting to {access.target}")
    with connected(config, folder) as session:
        sh = _sh(access.sudo)
        facts = _look(session, sudo=access.sudo)
        gnu = "gnu-tar" in facts.has
        under_way: list[Running] = []

        def alive() -> bool:
            """Are the connection and its commands alive? An ssh may end a moment earlier."""
            ends = [child.popen.poll() for child in under_way]
            return session.alive() and SSH_FAILED not in ends

        def extract(order: Order, watch: Watch) -> Extracted:
            options = (*(GNU if gnu else ()), *(("--numeric-owner",) if order.numeric else ()))
            unpack = session.command(*sh), shell.line(script("untar.sh"), job.into, *options)
            with _piped(borg, order, folder / "patterns", *unpack) as (child, tar):
                under_way.append(tar)
                done = _watched(watch, child)
                return _ended(done, tar, session, emit)

        name = f"{access.target}:{job.into}"
        yield Site(
            name=name,
            folder=job.into,
            alive=alive,
            survey=ByScript(name=name, folder=job.into, run=by_shell(session, sh)),
            extract=extract,
            losses=losses.BY_TAR if gnu else losses.BY_TAR | BY_OTHERS,
            follows=True,
        )


def _sh(sudo: bool) -> tuple[str, ...]:
    """The command that runs the script at the head of its input."""
    return (*as_root(sudo), *shell.WORDS)


def _look(session: Session, *, sudo: bool) -> Facts:
    """Ask which tar the target has. Raises ClientUnsuitable, SudoRefused, ConnectionLost."""
    done = session.run(*_sh(sudo), stdin=shell.line(script("untar.sh")))
    facts = read(done.stdout)
    require_free(facts, session.config.target)
    if not facts.user:
        raise no_answer(session, done, sudo=sudo, instead=BY_SFTP)
    if "tar" not in facts.has:
        raise ClientUnsuitable(
            f"{session.config.target} has no tar",
            hint=f"take {BY_SFTP}, which needs SFTP only",
        )
    return facts


@contextlib.contextmanager
def exporting(
    borg: Borg, order: Order, patterns: Path, sink: IO[bytes], *options: str
) -> Iterator[Running]:
    """Run borg export-tar into `sink`; the file `patterns` gets the order's patterns."""
    patterns.write_bytes(order.patterns)
    common = order.options(PROGRESS, "--patterns-from", str(patterns), *options)
    words = [*common, *order.operands("-")]
    with borg.running("export-tar", *words, stdout=sink) as child:
        yield child


@contextlib.contextmanager
def _piped(
    borg: Borg, order: Order, patterns: Path, unpack: list[str], header: bytes
) -> Iterator[tuple[Running, Running]]:
    """Run borg export-tar and the command `unpack`, whose input is `header`, then borg's output."""
    with pipe() as (source, sink), running(unpack, name="tar on the target", stdin=source) as tar:
        source.close()
        with contextlib.suppress(BrokenPipeError):  # ssh has ended, and its code says why
            sink.write(header)
        with exporting(borg, order, patterns, sink) as child:
            sink.close()
            yield child, tar


def _watched(watch: Watch, child: Running) -> Extracted:
    """Raises as `watch`, but not if borg failed because of tar: tar's own message says more."""
    try:
        done = watch(child)
    except BorgFailed as error:
        if "Broken pipe" not in error.message:
            raise
        return Extracted(returncode=child.wait(0))
    if done.failure is not None and "Broken pipe" in done.failure.message:
        done.failure = None
    return done


def _ended(done: Extracted, tar: Running, session: Session, emit: Emit) -> Extracted:
    """Wait for tar's end, and add its messages. Raises ConnectionLost.

    tar would not notice that its input ends early between two files. But borg has ended well by
    now, so the input was whole.
    """
    said, other = [], ""
    for item in tar.lines():
        if not session.alive():
            raise broken(done)
        text = item[1].decode(errors="replace").strip() if item else ""
        if text.startswith("tar: "):
            said.append(text)
        elif text:  # a profile's greeting, perhaps
            other = text
            events.debug(emit, f"the target: {text}")
    code = tar.wait(60)
    if lost(session.alive, code) or code == SSH_FAILED:
        raise broken(done)
    if code != 0 and not said:
        said = [f"tar on the target ended with {code}: {other[:200] or 'no message'}"]
    done.warnings += [FileWarning("tar", "", no_room(text), text) for text in said]
    done.returncode = done.returncode or code
    return done
