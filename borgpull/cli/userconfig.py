"""What the user's ~/.ssh/config says of a host, as ssh itself reads it (`ssh -G`).

Only the host's own command reads it: a container has no such file. The command line wins. Only the
settings of where and as whom to log in are taken over, so a ProxyCommand is not.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from borgpull.addresses import Target
from borgpull.errors import ConfigError, UsageError
from borgpull.process import CommandError, run
from borgpull.sidecar import in_sidecar
from borgpull.ssh import keys

# This value comes after all of the user's own. ssh takes the first value that it meets, so this one
# appears where the user has set none. `ssh -G` does not tell a default from a set value.
UNSET = "borgpull-unset"
SECONDS = 20


class Way(NamedTuple):
    """The way to a client. A key is a file, "" for the ssh-agent, or None if not named."""

    target: Target
    via: Target | None = None
    key: str | None = None
    via_key: str | None = None


def resolve(address: str, via: str | None = None, *, config: Path | None = None) -> Way:
    """The way to `[USER@]HOST[:PORT]`, through `via` (where it is "", through nothing).

    Raises InvalidHost, ConfigError, UsageError for several jump hosts.
    """
    path = config or Path("~/.ssh/config").expanduser()
    _require_one(via or "")
    if in_sidecar() or not path.is_file():
        return Way(target=Target.parse(address), via=Target.parse(via) if via else None)
    first, jump = _asked(address, path)
    jump = jump if via is None else via
    if not jump or jump == "none":
        return first
    _require_one(jump)
    second, further = _asked(jump.removeprefix("ssh://"), path)
    if further:
        raise UsageError(
            f"several jump hosts: {further} before {jump}",
            hint="borgpull goes through one, which is to be reached without another",
        )
    return Way(target=first.target, via=second.target, key=first.key, via_key=second.key)


def _require_one(jump: str) -> None:
    if "," in jump:
        raise UsageError(f"several jump hosts: {jump}", hint="name one of them by --via")


def _asked(address: str, path: Path) -> tuple[Way, str]:
    """Without a jump host; and the words of ProxyJump."""
    user, host, port = Target.parts(address)
    text = f'Include "{path}"\nHost *\n  User {UNSET}\n  IdentityFile /{UNSET}\n'
    argv = ["ssh", "-G", "-F", "/dev/stdin"]
    argv += [*(["-l", user] if user else []), *(["-p", str(port)] if port else []), "--", host]
    try:
        out = run(argv, timeout=SECONDS, stdin=text.encode()).stdout.decode(errors="replace")
    except CommandError as error:
        if error.returncode == 127:  # there is no ssh here: only Docker is needed
            return Way(target=Target.parse(address)), ""
        last = (error.stderr.strip().splitlines() or [str(error)])[-1]
        raise ConfigError(f"ssh cannot read {path}: {last}") from None
    found: dict[str, list[str]] = {}
    for name, _, value in (line.partition(" ") for line in out.splitlines()):
        found.setdefault(name, []).append(value)
    name = found["hostname"][0] if "hostname" in found else host
    login = found.get("user", [UNSET])[0]
    target = Target.parse(f"{'root' if login == UNSET else login}@{_bracketed(name)}")
    number = int(found.get("port", ["22"])[0])
    key = _key(found.get("identityfile", []))
    jump = found.get("proxyjump", [""])[0]
    way = Way(target=Target(host=target.host, user=target.user, port=number), key=key)
    return way, "" if jump == "none" else jump


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _key(names: list[str]) -> str | None:
    """The first of the named identities that is there; of the tokens only %d is read."""
    for name in names:
        path = Path(name.replace("%d", "~")).expanduser()
        if name != f"/{UNSET}" and path.is_file():
            return or_agent(str(path))
    return None


def or_agent(key: str) -> str:
    """The key's file, or "" for the ssh-agent.

    The agent is taken if there is one, and the file alone is of no use. Such a file has a
    passphrase, or is the public half.
    """
    try:
        data = Path(key).read_bytes() if key else b""
    except OSError:  # the job will report it
        return key
    usable = b"PRIVATE KEY" in data and not keys.has_passphrase(data)
    return key if usable or not os.environ.get("SSH_AUTH_SOCK") else ""
