"""Keys that live as long as a run: made in its private folder, gone with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from borgpull.errors import SshServiceFailed
from borgpull.process import CommandError, run
from borgpull.ssh import hostkeys

TYPE = "ssh-ed25519"


@dataclass(frozen=True)
class KeyPair:
    """A private key's file (0600, no passphrase) and its public key, `TYPE BASE64 NAME`."""

    private: Path
    public: str

    def fingerprint(self) -> str:
        """`SHA256:... (ED25519)`, as ssh and sshd print it."""
        return hostkeys.fingerprint(self.public)


def keypair(folder: Path, name: str) -> KeyPair:
    """Make an ed25519 key in `folder` (0700, the caller's to remove) as `name` and `name`.pub.

    The comment is `name`: ssh-keygen's own would tell user and host. Raises SshServiceFailed.
    """
    private = folder / name
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(private)]
    try:
        run(argv, timeout=30)
    except CommandError as error:
        raise SshServiceFailed(f"cannot make a key: {error}") from None
    return KeyPair(private, private.with_name(f"{name}.pub").read_text().strip())
