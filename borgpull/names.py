"""Names of clients and of archives, as a user writes them."""

from __future__ import annotations

import re

from borgpull.addresses import Target
from borgpull.errors import InvalidClientName, UsageError

_CLIENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


def client_name(name: str) -> str:
    """A client's name, used as a folder's name. Raises InvalidClientName."""
    if not _CLIENT.fullmatch(name):
        raise InvalidClientName(f"not a plain name for a client: {name!r}")
    if ".unverified-" in name or ".checkpoint" in name:  # archives are called by it
        raise InvalidClientName(f"archives of that name would never count: {name!r}")
    return name


def default_client_name(target: Target) -> str:
    """The host part of the address (an IPv6 address with dashes for colons)."""
    return client_name(re.sub(r"[:%]", "-", target.host.rstrip(".")).lstrip("-"))


def archive_name(name: str) -> str:
    """A name for an archive, borg's placeholders in it or not. Raises UsageError.

    `.unverified-` and `.checkpoint` mark what is no backup (yet): ours and borg's.
    """
    if not name or set(name) & set("/\0\n") or name != name.strip():
        raise UsageError(
            f"not a name for an archive: {name!r}", hint="use no '/', no blank at its ends"
        )
    if ".unverified-" in name or ".checkpoint" in name:
        raise UsageError(f"that name would never count as a backup: {name!r}", hint="use another")
    return name
