"""Frozen types that every layer shares, and their way to and from JSON."""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import asdict, dataclass, field, fields
from pathlib import PurePosixPath
from typing import Any, Literal

from borgpull.errors import InvalidClientName, InvalidHost, UsageError

JOB_VERSION = 1

Verb = Literal[
    "sshfs",
    "pipe",
    "socat",
    "agent",
    "forward",
    "serve",
    "init",
    "list",
    "info",
    "borg",
    "acknowledge",
    "trust",
    "doctor",
    "tidy",
    "restore",
    "browse",
    "find",
    "diff",
]

# The verbs that make an archive, one a method.
BACKUP_VERBS: tuple[Verb, ...] = ("sshfs", "pipe", "socat", "agent", "forward")

# RFC 1123 labels, and the underscore that Docker Compose and many homelabs use in host names.
_HOST = re.compile(
    r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?"
)
# Debian's adduser NAME_REGEX, wider: dots, capitals and a trailing $ as Active Directory has them.
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\$?")
_CLIENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a client's sshd listens."""

    host: str
    user: str = "root"
    port: int = 22

    @classmethod
    def parse(cls, address: str) -> Target:
        """`[USER@]HOST[:PORT]`, with `[IPV6]:PORT` or a bare IPv6 address.

        Strict on purpose: a host that begins with `-` or holds brackets has been read as an option
        by ssh and sshfs (CVE-2026-48711). Raises InvalidHost.
        """
        user, at, rest = address.rpartition("@")
        if not at:
            user = "root"
        if not _USER.fullmatch(user):
            raise InvalidHost(f"not a user name: {user!r}")
        host, port = cls._split_port(rest)
        if not _is_host(host):
            raise InvalidHost(f"not a host name or address: {host!r}")
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise InvalidHost(f"not a port: {port!r}")
        return cls(host=host, user=user, port=int(port))

    @staticmethod
    def _split_port(rest: str) -> tuple[str, str]:
        if match := re.fullmatch(r"\[([^\[\]]*)\](?::(.*))?", rest, re.DOTALL):
            if ":" not in match[1]:
                raise InvalidHost(f"brackets are for IPv6 addresses: {rest!r}")
            return match[1], "22" if match[2] is None else match[2]
        if rest.count(":") > 1:  # a bare IPv6 address
            return rest, "22"
        host, colon, port = rest.partition(":")
        return host, port if colon else "22"

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


def client_name(name: str) -> str:
    """A client's name, used as a folder's name. Raises InvalidClientName."""
    if not _CLIENT.fullmatch(name):
        raise InvalidClientName(f"not a plain name for a client: {name!r}")
    return name


def default_client_name(target: Target) -> str:
    """The host part of the address (an IPv6 address with dashes for colons)."""
    return client_name(re.sub(r"[:%]", "-", target.host.rstrip(".")))


def client_path(path: str) -> str:
    """An absolute path on the client, without `.`, `..` or doubled slashes. Raises UsageError."""
    pure = PurePosixPath(path)
    if not path.startswith("/") or ".." in pure.parts or "\0" in path:
        raise UsageError(
            f"not an absolute path of the client: {path!r}", hint="write it like /etc, without '..'"
        )
    return "/" + "/".join(part for part in pure.parts if part.strip("/"))


def for_borg(word: str) -> str:
    """A path or pattern as a word of `borg create`, which keeps its command line in the archive.

    Raises UsageError for bytes that are no UTF-8: borg cannot put those there. In names below what
    is saved they do no harm.
    """
    if not word.isprintable() and any("\ud800" <= char <= "\udfff" for char in word):
        raise UsageError(f"borg takes UTF-8 only: {word!r}", hint="name the folder above it")
    return word


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


def host_and_port(text: str) -> tuple[str, int]:
    """`HOST:PORT`, as the client reaches us. Raises InvalidHost."""
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


def target_folder(path: str) -> str:
    """Raises UsageError: a newline would end the line in which the target reads it."""
    if "\n" in path:
        raise UsageError(f"not a folder to restore into: {path!r}", hint="use one without newlines")
    return client_path(path)


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where things are, as the job sees them: in the container, unless `--launcher here` on a host.

    References only: a secret's file, never the secret.
    """

    repo: str = "/repo"
    state: str = "/state"
    ssh_key: str = "/run/secrets/ssh_key"
    known_hosts: str = "/run/secrets/known_hosts"
    passphrase: str = "/run/secrets/passphrase"  # noqa: S105 - a path, not a secret


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """One thing to do, whoever launches it. Serialises to JSON; holds no secret."""

    verb: Verb
    client: str = ""
    target: Target | None = None
    paths: tuple[str, ...] = ("/",)
    places: Places = field(default_factory=Places)
    archive: str | None = None
    init: bool = False
    encryption: str = "repokey-blake2"
    compression: str = "lz4"
    exclude: tuple[str, ...] = ()
    allow_unreadable: tuple[str, ...] = ()
    dry_run: bool = False
    lock_wait: int = 300
    fingerprint: str | None = None
    replace: bool = False
    borg_args: tuple[str, ...] = ()
    # Of the methods with borg on the client:
    client_borg: str | None = None  # its path there
    keep_runtime: bool = False
    sudo: bool = False
    connect_back: str | None = None  # HOST:PORT, as the client reaches us
    via: Target | None = None
    checkpoint_interval: int = 1800  # seconds, as borg has it
    # Of restores:
    how: str = "native"
    into: str = "/"  # the folder at the target
    strip: int = 0
    overwrite: str = "never"  # or changed, always
    numeric_ids: bool = False
    # Of find and diff:
    pattern: str = ""
    second: str = ""  # the archive to compare with

    @property
    def by_number(self) -> bool:
        """Owners as they are stored, whatever names the target has."""
        return self.numeric_ids or self.how == "numeric"

    def to_json(self) -> str:
        return json.dumps({"version": JOB_VERSION, **asdict(self)})

    @classmethod
    def from_json(cls, text: str) -> JobSpec:
        """Raises UsageError where the text is not a job of this version."""
        try:
            data = json.loads(text)
            if data.pop("version") != JOB_VERSION:
                raise UsageError(
                    "this job was made by another version of borgpull",
                    hint="use the same version of the command and of the image",
                )
            for name in ("target", "via"):
                if data[name] is not None:
                    data[name] = Target(**data[name])
            data["places"] = Places(**data["places"])
            for item in fields(cls):
                if isinstance(data.get(item.name), list):
                    data[item.name] = tuple(data[item.name])
            return cls(**data)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"not a job: {error}") from None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a job failed: what the screen shows, and the exit code."""

    exit_code: int
    error: str
    message: str
    hint: str


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a job did. `data` depends on the verb; its keys are in docs/json.md."""

    verb: str
    client: str = ""
    ok: bool = True
    failure: Failure | None = None
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        return 0 if self.failure is None else self.failure.exit_code

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Result:
        known = {item.name: data[item.name] for item in fields(cls) if item.name in data}
        if known.get("failure"):
            known["failure"] = Failure(**known["failure"])
        return cls(**known)
