"""Where the files of a job are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where things are, as the job sees them: in the container, unless `--launcher here` on a host.

    It holds references only: a secret's file, never the secret.
    """

    repo: str = "/repo"
    state: str = "/state"
    ssh_key: str = "/run/secrets/ssh_key"
    known_hosts: str = "/run/secrets/known_hosts"
    via_key: str = "/run/secrets/via_key"  # of the jump host; without it, ssh_key
    passphrase: str = "/run/secrets/passphrase"  # noqa: S105 - a path, not a secret


def certificate_of(key: str) -> str:
    """Where ssh looks for the certificate of a key (ssh_config(5): CertificateFile)."""
    return f"{key}-cert.pub"
