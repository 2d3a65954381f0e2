"""Signatures by a key of ssh (ssh-keygen(1), -Y)."""

from __future__ import annotations

import contextlib
from pathlib import Path

from borgpull.errors import SshServiceFailed
from borgpull.process import CommandError, run
from borgpull.ssh.keys import keypair

IDENTITY, NAMESPACE = "borgpull", "borgpull-drill"


def sign(folder: Path, name: str, data: bytes) -> tuple[str, str]:
    """The signature, and the line of `allowed_signers` that it is verified by.

    The key is `folder/name`, which is made if it is not there. Raises SshServiceFailed.
    """
    private = folder / name
    if not private.is_file():
        with contextlib.suppress(OSError):
            private.with_name(f"{name}.pub").unlink(missing_ok=True)
        keypair(folder, name)
    try:
        public = private.with_name(f"{name}.pub").read_text().split()
        argv = ["ssh-keygen", "-Y", "sign", "-f", str(private), "-n", NAMESPACE]
        done = run(argv, stdin=data, timeout=30)
    except (CommandError, OSError) as error:
        raise SshServiceFailed(f"cannot sign: {error}") from None
    line = f'{IDENTITY} namespaces="{NAMESPACE}" {" ".join(public[:2])}\n'
    return done.stdout.decode(), line
