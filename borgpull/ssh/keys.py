"""Keys that live as long as a run: made in its private folder or copied there, gone with it."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path
from typing import NamedTuple

from borgpull.errors import ConfigError, SshServiceFailed
from borgpull.places import certificate_of
from borgpull.process import CommandError, run
from borgpull.sidecar import in_sidecar
from borgpull.ssh import hostkeys, unprobed

TYPE = "ssh-ed25519"


class KeyPair(NamedTuple):
    """A private key's file (0600, no passphrase) and its public key, `TYPE BASE64 NAME`."""

    private: Path
    public: str

    def fingerprint(self) -> str:
        """`SHA256:... (ED25519)`, as ssh and sshd print it."""
        return hostkeys.fingerprint(self.public)


def keypair(folder: Path, name: str) -> KeyPair:
    """Make an ed25519 key in `folder` (0700, the caller's to remove) as `name` and `name`.pub.

    The comment is `name`: ssh-keygen's default would tell user and host. Raises SshServiceFailed.
    """
    private = folder / name
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(private)]
    try:
        run(argv, timeout=30)
    except CommandError as error:
        raise SshServiceFailed(f"cannot make a key: {error}") from None
    return KeyPair(private, private.with_name(f"{name}.pub").read_text().strip())


# No key or certificate is larger, in bytes.
MAX_KEY = 1 << 20
_BODY = re.compile(rb"-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]*)-----END")


def copy(source: str, target: Path) -> Path | None:
    """Copy a private key, readable by us alone, and the certificate beside it; None without a key.

    ssh refuses a key whose file others may read, and a bind-mounted or Kubernetes secret has the
    modes of its volume. In the image, the copy has a form that saves a round trip, if the key can
    be in it (`unprobed`). Raises ConfigError, also for a key with a passphrase.
    """
    data = _read(Path(source)) if source else None
    if data is None:
        return None
    if b"PRIVATE KEY" not in data:
        raise ConfigError(
            f"{source} is not a private ssh key",
            hint="--ssh-key wants the private key, as ssh-keygen writes it",
        )
    if has_passphrase(data):
        raise ConfigError(
            f"the ssh key {source} has a passphrase, and nobody is there to type it",
            hint="give a key without one by --ssh-key; or load it into ssh-agent and run the "
            "host's own command with --ssh-key '', which takes the agent",
        )
    # OpenSSH refuses a key without its last newline ("invalid format").
    data = data if data.endswith(b"\n") else data + b"\n"
    if (certificate := _read(Path(certificate_of(source)))) is not None:
        _write(Path(certificate_of(str(target))), certificate)
    elif in_sidecar():  # the host's own ssh may be too old for it
        data = unprobed.pkcs8(data) or data
    _write(target, data)
    return target


def has_passphrase(data: bytes) -> bool:
    """Is a private key's file encrypted? PEM says so; OpenSSH names a cipher (PROTOCOL.key)."""
    match = _BODY.search(data)
    if match is None:
        return b"ENCRYPTED" in data
    magic = b"openssh-key-v1\0"
    try:
        body = base64.b64decode(match[1])
    except binascii.Error:
        return False  # ssh itself reports what is wrong with it
    length = int.from_bytes(body[len(magic) : len(magic) + 4], "big")
    cipher = body[len(magic) + 4 :][:length]
    return body.startswith(magic) and cipher not in (b"none", b"")


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(MAX_KEY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"cannot read the ssh key {path}: {error.strerror}") from None


def _write(path: Path, data: bytes) -> None:
    path.touch(0o600)
    path.write_bytes(data)
