"""Host keys by ssh itself: through a jump host, and where an old device wants options of its own.

ssh-keyscan can do neither. ssh writes the key of a new host into a file of ours before the login,
and here it is told not to log in. The jump host is checked as always: options on the command line
do not reach its ssh (ssh.c passes on the configuration's file, and nothing else).
"""

from __future__ import annotations

from pathlib import Path

from borgpull.errors import HostUnreachable, NothingInCommon
from borgpull.process import CommandError, run
from borgpull.ssh import hostkeys, options
from borgpull.ssh.config import TELLING, SshConfig, quote
from borgpull.ssh.diagnose import from_ssh

SCAN_SECONDS = 60
# One type at a time: ssh takes the first type that both sides know.
KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512,rsa-sha2-256")


def scan(config: SshConfig, folder: Path, ssh_options: tuple[str, ...]) -> list[str]:
    """The known_hosts lines that the client offers; `folder` is private and temporary.

    Raises what `diagnose.from_ssh` finds, for the jump host too.
    """
    found, errors = [], []
    for kind in [""] if "HostKeyAlgorithms" in options.names(ssh_options) else KINDS:
        lines, error = _one(config, folder / "scanned", kind)
        found += lines
        if error is not None:
            errors.append(error)
            if not isinstance(error, NothingInCommon):
                break
    if not found:
        raise errors[0] if errors else HostUnreachable(f"cannot reach {config.target}: no host key")
    return sorted(set(found))


def _one(config: SshConfig, file: Path, kind: str) -> tuple[list[str], Exception | None]:
    file.unlink(missing_ok=True)
    more = ["StrictHostKeyChecking=accept-new", f"UserKnownHostsFile={quote(str(file))}"]
    more += ["KnownHostsCommand=none", "HashKnownHosts=no", "PreferredAuthentications=none"]
    more += [f"HostKeyAlgorithms={kind}"] if kind else []
    words = [*TELLING, *(word for option in more for word in ("-o", option))]
    try:
        done = run(config.command("exit", options=words), timeout=SCAN_SECONDS, check=False)
    except CommandError as error:
        return [], from_ssh(error.stderr, config.target, via=config.via)
    name = hostkeys.pattern(config.target)
    lines = file.read_text(errors="replace").splitlines() if file.exists() else []
    keys = [" ".join([name, *hostkeys.key_part(line)]) for line in lines if line.strip()]
    return keys, None if keys else from_ssh(done.stderr, config.target, via=config.via)
