"""From options to the parts of a job: where things are, the way to a machine, what is left out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from borgpull.borg import patterns
from borgpull.cli.options import OnClient, Through, Where
from borgpull.cli.userconfig import Way, or_agent
from borgpull.errors import ConfigError
from borgpull.jobs import Access, Route
from borgpull.paths import client_path, for_borg
from borgpull.places import Places
from borgpull.sidecar import in_sidecar
from borgpull.ssh import options as ssh_options

USUAL_KEYS = ("~/.ssh/id_ed25519", "~/.ssh/id_rsa")


def places(where: Where, through: Through | None = None, way: Way | None = None) -> Places:
    """Where things are: the container's fixed places, or a host's usual ones.

    The user's configuration (`way`) names keys that no option names. An empty text stands for
    "none". Raises ConfigError if a named file is not there.
    """
    ssh_key = way.key if way and where.ssh_key is None else where.ssh_key
    via_key = (through.via_key if through else None) or (way.via_key if way else None)
    for path in (where.passphrase_file, ssh_key, where.known_hosts, via_key):
        if path and not _is_file(path):
            raise ConfigError(f"there is no file {path}")
    if in_sidecar():
        inside = Places()
        return Places(
            repo=where.repo or inside.repo,
            state=where.state or inside.state,
            ssh_key=ssh_key or inside.ssh_key,
            known_hosts=where.known_hosts or inside.known_hosts,
            passphrase=where.passphrase_file or inside.passphrase,
            via_key=via_key or inside.via_key,
        )
    data = _data_folder()
    return Places(
        repo=_folder(where.repo or f"{data}/repo"),
        state=_folder(where.state or f"{data}/state"),
        ssh_key=or_agent(_first_file(*USUAL_KEYS)) if ssh_key is None else ssh_key,
        known_hosts=where.known_hosts or _first_file("~/.ssh/known_hosts"),
        passphrase=where.passphrase_file or "",
        via_key=via_key or "",
    )


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # a name that is too long, say
        return False


def _data_folder() -> str:
    if os.geteuid() == 0:
        return "/var/lib/borgpull"
    home = os.environ.get("XDG_DATA_HOME") or str(Path("~/.local/share").expanduser())
    return f"{home}/borgpull"


def _folder(name: str) -> str:
    """An absolute path, or the name of a Docker volume (no slash in it)."""
    return str(Path(name).absolute()) if "/" in name or name in (".", "..") else name


def _first_file(*names: str) -> str:
    paths = (Path(name).expanduser() for name in names)
    return next((str(path) for path in paths if path.is_file()), "")


def ssh_words(through: Through) -> tuple[str, ...]:
    """Raises UsageError for what is no --ssh-option."""
    return tuple(ssh_options.check(word) for word in through.ssh_option or ())


def route(way: Way, through: Through) -> Route:
    """How a machine is reached. Raises UsageError."""
    return Route(target=way.target, via=way.via, ssh_options=ssh_words(through))


def access(way: Way, through: Through, on_client: OnClient) -> Access:
    """How a machine is reached, and what is used there. Raises UsageError."""
    borg = on_client.client_borg
    return Access(
        **vars(route(way, through)),
        sudo=on_client.sudo,
        client_borg=client_path(borg) if borg else None,
    )


def exclusions(words: Sequence[str], files: Sequence[str] = ()) -> tuple[str, ...]:
    """The patterns of --exclude, and those in --exclude-from files, where empty lines and comments
    are left out.

    Raises ConfigError, and UsageError for what borg would refuse or can never match.
    """
    found = [patterns.check(for_borg(word), "--exclude") for word in words]
    for name in files:
        try:
            lines = Path(name).read_text(errors="surrogateescape").splitlines()
        except OSError as error:
            raise ConfigError(f"cannot read {name}: {error.strerror}") from None
        wanted = [line.strip() for line in lines if line.strip() and line[:1] != "#"]
        found += [patterns.check(for_borg(word), f"--exclude-from {name}:") for word in wanted]
    return tuple(found)
