"""Small files of the client by SFTP: needs no shell there, and no mount here."""

from __future__ import annotations

from pathlib import Path

from borgpull.errors import BorgpullError, HostileClient, HostUnreachable, NoSftp
from borgpull.process import CommandError, run
from borgpull.ssh import words
from borgpull.ssh.config import ALIAS, TELLING, SshConfig
from borgpull.ssh.diagnose import from_ssh, let_in

TIMEOUT = 60
# Seconds. The notice of a cloud image ends only after ten seconds.
HEAR_SECONDS = 30
MAX_HEARD = 1 << 16
# The largest file that is fetched (a list of mounts), in bytes.
MAX_BYTES = 32 << 20


def fetch(config: SshConfig, folder: Path, *remotes: str) -> list[bytes | None]:
    """The contents of the client's files, None for a missing one. `folder` holds them meanwhile.

    This is also the first contact of a job: ssh's refusals appear here, before anything is mounted.
    Raises what `diagnose.from_ssh` finds.
    """
    locals_ = [folder / remote.rpartition("/")[2] for remote in remotes]
    both = zip(remotes, locals_, strict=True)  # our own names need no quotes
    batch = "".join(f"-get {remote} {local}\n" for remote, local in both).encode()
    # A client may send a file without end: the kernel ends sftp at this size (setrlimit(2)).
    argv = [*("prlimit", f"--fsize={MAX_BYTES}", "--core=0"), *("sftp", "-F", str(config.path))]
    argv += [*TELLING, "-b", "-", ALIAS]
    try:
        done = run(argv, timeout=TIMEOUT, stdin=batch, check=False)
    except CommandError as error:
        rest = let_in(error.stderr, config.via)
        if error.returncode == -1 and (rest is not None or not error.stderr.strip()):
            raise HostUnreachable(
                f"{config.target} does not answer SFTP requests{words.told(rest or '')}",
                hint="its sftp-server or one of its disks hangs" if rest is not None else None,
            ) from None
        raise _why(error.stderr, config) from None
    for remote, local in zip(remotes, locals_, strict=True):
        if local.exists() and local.stat().st_size >= MAX_BYTES:
            raise HostileClient(f"{remote} of {config.target} has no end")
    if done.returncode != 0:
        raise _why(done.stderr, config)
    return [local.read_bytes() if local.exists() else None for local in locals_]


def _why(text: str, config: SshConfig) -> BorgpullError:
    """The error behind sftp's messages. After an accepted login, the client's text tells it."""
    rest = let_in(text, config.via)
    if rest is None:
        return from_ssh(text, config.target, via=config.via)
    spoken = words.said(rest) or _heard(config)
    hint = words.advice(spoken, config.target)
    if hint is None and spoken and "Received message too long" in rest:
        hint = "nothing may be printed there before SFTP begins: look at authorized_keys, profiles"
    message = f"{config.target} lets us log in, but offers no SFTP"
    return NoSftp(f"{message}: {spoken}" if spoken else message, hint=hint)


def _heard(config: SshConfig) -> str:
    """The client's answer to the shortest command, as text, which SFTP cannot show."""
    try:
        # Below the level INFO, ssh does not show the banner.
        argv = config.command("exit", options=("-o", "LogLevel=ERROR"))
        done = run(argv, timeout=HEAR_SECONDS, check=False, max_output=MAX_HEARD)
    except CommandError as error:
        return words.said(error.stderr)
    return words.said(done.stdout.decode(errors="replace"), done.stderr)
