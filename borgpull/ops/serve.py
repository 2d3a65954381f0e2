"""`socat --serve-only`: offer a client's repository at a unix socket.

It is for users who start borg on the client themselves (borg's documentation, chapter on socat)."""

from __future__ import annotations

import shlex
from pathlib import Path

from borgpull import events, jobs
from borgpull.borg import guard, repository
from borgpull.borg.serve import serving_all
from borgpull.client.authorized import url
from borgpull.errors import BorgFailed
from borgpull.events import Emit
from borgpull.ops.private import private_folder
from borgpull.ops.workspace import locked_borg
from borgpull.results import Result
from borgpull.ssh.sessions import end_with_sessions
from borgpull.state import ledger


def run(job: jobs.Serve, emit: Emit) -> Result:
    """Serve until a signal ends it (Interrupted). Our lock is held meanwhile: no other run starts.

    Raises RepositoryMissing, RepositoryLocked, BorgFailed.
    """
    with private_folder() as folder, locked_borg(job, emit) as borg:
        repository.require(borg.repository, job.client)
        socket = borg.base.parent / "serve.sock"
        keep = guard.keep_of(borg)
        # An archive that is made this way is a stranger until the user adopts it.
        ledger.see(Path(job.places.state), job.client, repository.archives(borg))
        with (
            guard.config_guard(borg.repository, keep),
            serving_all(borg, folder, socket) as child,
            end_with_sessions(child),  # before the guard, which no session may outlive
        ):
            events.phase(emit, "serve", f"serving the repository of {job.client} at {socket}")
            for text in how(job, socket, str(borg.repository)):
                events.note(emit, text)
            while child.alive():
                child.popen.wait()
        raise BorgFailed(f"socat ended: {child.stderr()[-300:] or 'no message'}")


def how(job: jobs.Serve, socket: Path, path: str) -> list[str]:
    """What to type, on this host and on the client."""
    remote = f"/run/borgpull-{job.client}.sock"
    rsh = f"sh -c 'exec socat STDIO UNIX-CONNECT:{remote}'"
    return [
        f"in a container, write the host's path of {job.places.state} into the next line",
        f"here: ssh -o ExitOnForwardFailure=yes -R {remote}:{socket} {job.target}",
        f"there: export BORG_RSH={shlex.quote(rsh)}",
        f"there: borg create {url(path)}::NAME PATH…; rm {remote}",
    ]
