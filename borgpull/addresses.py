"""Addresses of machines, as a user writes them."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from borgpull.errors import InvalidHost
from borgpull.paths import target_folder

# RFC 1123 labels, and the underscore that Docker Compose and many homelabs use in host names.
_HOST = re.compile(
    r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?"
)
# Debian's adduser NAME_REGEX, wider: dots, capitals and a trailing $ as Active Directory has them,
# and its DOMAIN\user (or +, of winbind) and user@domain.
_USER = re.compile(r"(\w[\w.-]*[\\+])?\w[\w.-]*\$?(@\w[\w.-]*)?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a client's sshd listens."""

    host: str
    user: str = "root"
    port: int = 22

    @classmethod
    def parse(cls, address: str) -> Target:
        """`[USER@]HOST[:PORT]`, with `[IPV6]:PORT` or a bare IPv6 address.

        It is strict on purpose: ssh and sshfs have taken a host that begins with `-` or holds
        brackets for an option (CVE-2026-48711). Raises InvalidHost.
        """
        user, host, port = cls.parts(address)
        return cls(host=host, user=user or "root", port=port or 22)

    @classmethod
    def parts(cls, address: str) -> tuple[str | None, str, int | None]:
        """User, host and port, None if they were not named. Raises InvalidHost."""
        user, at, rest = address.rpartition("@")
        if at and not _USER.fullmatch(user):
            raise InvalidHost(f"not a user name: {user!r}")
        host, port = cls._split_port(rest)
        if not _is_host(host):
            raise InvalidHost(f"not a host name or address: {host!r}")
        if port is None:
            return user or None, host, None
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise InvalidHost(f"not a port: {port!r}")
        return user or None, host, int(port)

    @staticmethod
    def _split_port(rest: str) -> tuple[str, str | None]:
        if match := re.fullmatch(r"\[([^\[\]]*)\](?::(.*))?", rest, re.DOTALL):
            if ":" not in match[1]:
                raise InvalidHost(f"brackets are for IPv6 addresses: {rest!r}")
            return match[1], match[2]
        if rest.count(":") > 1:  # a bare IPv6 address
            return rest, None
        host, colon, port = rest.partition(":")
        return host, port if colon else None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user}@{host}" + (f":{self.port}" if self.port != 22 else "")


def _is_host(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return len(host) <= 253 and _HOST.fullmatch(host) is not None
    zone = host.partition("%")[2]
    return not zone or (address.version == 6 and _HOST.fullmatch(zone) is not None)


def host_and_port(text: str) -> tuple[str, int]:
    """`HOST:PORT`, by which the client reaches the sidecar. Raises InvalidHost."""
    target = Target.parse(text)
    if "@" in text or not re.search(r":\d+$", text) or (text.count(":") > 1 and "]" not in text):
        raise InvalidHost(
            f"not HOST:PORT: {text!r}", hint="write it like backup:2222 or [2001:db8::7]:2222"
        )
    return target.host, target.port


def restore_target(text: str) -> tuple[Target | None, str]:
    """`[USER@]HOST[:PORT][:DIR]` or `DIR`: where a restore goes; DIR is `/` unless it is named.

    Raises InvalidHost, UsageError.
    """
    if text.startswith("/"):
        return None, target_folder(text)
    address, colon, folder = text.partition(":/")
    return Target.parse(address), target_folder(f"/{folder}" if colon else "/")
