"""Small files of the client by SFTP: needs no shell there, and no mount here."""

from __future__ import annotations

from pathlib import Path

from borgpull.errors import HostUnreachable
from borgpull.process import CommandError, run
from borgpull.ssh.config import ALIAS, SshConfig
from borgpull.ssh.diagnose import from_ssh

TIMEOUT = 60


def fetch(config: SshConfig, remote: str, local: Path) -> bytes | None:
    """The content of a file of the client; None where the client has no such file.

    Also the first contact of a job, so ssh's refusals surface here, before anything is mounted.
    Raises what `diagnose.from_ssh` finds.
    """
    batch = f"-get {remote} {local}\n".encode()  # both are ours: no quoting needed
    argv = ["sftp", "-F", str(config.path), "-b", "-", ALIAS]
    try:
        done = run(argv, timeout=TIMEOUT, stdin=batch, check=False)
    except CommandError as error:
        if error.returncode == -1 and not error.stderr.strip():
            raise HostUnreachable(f"{config.target} does not answer SFTP requests") from None
        raise from_ssh(error.stderr, config.target) from None
    if done.returncode != 0:
        raise from_ssh(done.stderr, config.target)
    return local.read_bytes() if local.exists() else None
