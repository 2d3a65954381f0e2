"""tar: borg export-tar here, and tar on the target, which needs a shell and tar only.

Nothing of ours gets there, not even for a moment: scripts are words of the command line. The target
learns neither key nor passphrase. What the format does not hold is lost, and counted before.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from borgpull import events
from borgpull.borg.command import Borg
from borgpull.borg.extract import PROGRESS, Extracted, broken
from borgpull.borg.messages import FileWarning, no_room
from borgpull.client.setup import Facts, as_root, read, script, sudo_refused
from borgpull.errors import BorgFailed, ClientUnsuitable
from borgpull.events import Emit
from borgpull.model import JobSpec
from borgpull.process import Completed, Running, pipe, running
from borgpull.restores import losses
from borgpull.restores.base import SURVEY_SECONDS, Order, Site, Watch
from borgpull.restores.native import require_free
from borgpull.ssh import config as ssh_config
from borgpull.ssh.session import Session, connected, lost

# GNU tar sets a folder's time when it leaves it, unless told to wait: an archive may come back to
# it. It warns of times to come, too, which are the archive's.
GNU = ("--delay-directory-restore", "--warning=no-timestamp")
# Others (busybox 1.37) set a folder's time before they fill it, and no owner or time of a symlink.
BY_OTHERS = frozenset({"folder_times", "link_times", "link_owners"})
# What ssh ends with where it is not the command's own code.
SSH_FAILED = 255


@contextlib.contextmanager
def open_site(job: JobSpec, borg: Borg, folder: Path, emit: Emit) -> Iterator[Site]:
    """Connect. Raises the errors of ssh, ClientUnsuitable, SudoRefused."""
    assert job.target is not None
    config = ssh_config.write(folder, job.target, job.places, via=job.via)
    events.phase(emit, "connect", f"connecting to {job.target}")
    with connected(config, folder) as session:
        facts = _look(session, job)
        gnu = "gnu-tar" in facts.has
        under_way: list[Running] = []

        def alive() -> bool:
            """The connection may outlive, for a moment, the ssh that ran over it."""
            ends = [child.popen.poll() for child in under_way]
            return session.alive() and SSH_FAILED not in ends

        def survey(word: str, data: bytes) -> Completed:
            words = _script(job, "survey.sh", word)
            return session.run(*words, stdin=data, timeout=SURVEY_SECONDS)

        def extract(order: Order, watch: Watch) -> Extracted:
            options = (*(GNU if gnu else ()), *(("--numeric-owner",) if order.numeric else ()))
            argv = session.command(*_script(job, "untar.sh", shlex.quote(job.into), *options))
            with _piped(borg, order, folder / "patterns", argv) as (child, tar):
                under_way.append(tar)
                done = _watched(watch, child)
                return _ended(done, tar, session, emit)

        yield Site(
            name=f"{job.target}:{job.into}",
            folder=job.into,
            alive=alive,
            survey=survey,
            extract=extract,
            losses=losses.BY_TAR if gnu else losses.BY_TAR | BY_OTHERS,
            follows=True,
        )


def _script(job: JobSpec, name: str, *words: str) -> tuple[str, ...]:
    """The words of ssh that run one of our scripts with `words`, which are quoted already."""
    return (*as_root(job.sudo), "sh", "-c", shlex.quote(script(name)), "sh", *words)


def _look(session: Session, job: JobSpec) -> Facts:
    """Which tar there is. Raises ClientUnsuitable, SudoRefused, ConnectionLost."""
    done = session.run(*_script(job, "untar.sh"))
    facts = read(done.stdout)
    require_free(facts, session.config.target)
    if not facts.user and job.sudo and "sudo" in done.stderr:
        raise sudo_refused(session)
    if "tar" not in facts.has:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        what = "has no tar" if facts.user else f"has no shell for us: {last[:200]}"
        raise ClientUnsuitable(
            f"{session.config.target} {what}",
            hint="--how numeric and --how chroot need SFTP only",
        )
    return facts


@contextlib.contextmanager
def exporting(
    borg: Borg, order: Order, patterns: Path, sink: IO[bytes], *options: str
) -> Iterator[Running]:
    """borg export-tar into `sink`; what is left out goes into the file `patterns`."""
    patterns.write_bytes(order.patterns)
    common = order.options(PROGRESS, "--patterns-from", str(patterns), *options)
    words = [*common, *order.operands("-")]
    with borg.running("export-tar", *words, stdout=sink) as child:
        yield child


@contextlib.contextmanager
def _piped(
    borg: Borg, order: Order, patterns: Path, unpack: list[str]
) -> Iterator[tuple[Running, Running]]:
    """borg export-tar, whose output is the input of the command `unpack`; both."""
    with (
        pipe() as (source, sink),
        running(unpack, name="tar on the target", stdin=source) as tar,
        exporting(borg, order, patterns, sink) as child,
    ):
        source.close()
        sink.close()
        yield child, tar


def _watched(watch: Watch, child: Running) -> Extracted:
    """Raises as `watch`, but not where borg failed because tar had: tar's own words tell more."""
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
    """Wait for tar's end, and add what it says. Raises ConnectionLost.

    tar alone would not notice a stream that ends between two files: borg has ended well by now.
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
