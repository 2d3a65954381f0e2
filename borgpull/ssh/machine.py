"""Which machine a client's name stands for: its host keys and port, kept in the state.

Two machines behind one address would share one repository, and each would get the other's key. So
the key counts that ssh really used. ssh tells it by KnownHostsCommand (ssh_config(5)).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from borgpull.addresses import Target
from borgpull.errors import ConfigError, OtherMachine, of_storage
from borgpull.jobs import Backup
from borgpull.places import Places
from borgpull.ssh import hostkeys
from borgpull.ssh.config import USED_KEY, known_hosts_files

SEEN_AES = "client_aes"  # beside the configuration


class Machine(NamedTuple):
    """What is remembered of a machine.

    `keys` are fingerprints (`SHA256:...`) by the type of the key (`ssh-ed25519`). `host` is that of
    the last verified run. `aes` says whether its processor knows AES; None if that is not known.
    """

    host: str
    port: int
    keys: dict[str, str]
    aes: bool | None = None


def path_of(state: Path, client: str) -> Path:
    return state / "clients" / client / "machine.json"


def read(path: Path) -> Machine | None:
    """The remembered machine; None if there is none. Raises ConfigError for an unreadable file."""
    try:
        data: Any = json.loads(path.read_bytes())
        keys = {str(kind): str(text) for kind, text in data["keys"].items()}
        aes = data.get("aes")
        known = aes if isinstance(aes, bool) else None
        return Machine(str(data["host"]), int(data["port"]), keys, known)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from None


def require_same(job: Backup, folder: Path) -> None:
    """Check the machine. To be called once ssh has connected, before anything is written.

    `folder` is that of the ssh configuration. Raises OtherMachine, ConfigError.
    """
    old = read(path_of(Path(job.places.state), job.client))
    if old is None:
        return
    target = job.access.target
    used = _used(folder, target, job.places)
    if not used:  # only a certificate authority knows its key, and ssh does not tell it
        return
    same_key = any(old.keys.get(kind) == text for kind, text in used.items())
    if (same_key or _is_beside(old, used, target, job.places)) and target.port == old.port:
        return
    raise OtherMachine(
        f"{job.client} stands for the machine with the host key {', '.join(old.keys.values())} at "
        f"port {old.port}; {target} has {', '.join(used.values())}",
        hint=f"give this one a name of its own: borgpull {job.verb} --name NAME {target}; or, "
        "where that machine was reinstalled or has moved: "
        f"borgpull trust --replace --name {job.client} {target}",
    )


def _is_beside(old: Machine, used: dict[str, str], target: Target, places: Places) -> bool:
    """A new type of key counts as the same machine's if known_hosts has it beside an old key."""
    fresh = {text for kind, text in used.items() if kind not in old.keys}
    known = _known(target, places) if fresh else set()  # asks another program, for 8 ms
    return bool(known & fresh) and bool(known & set(old.keys.values()))


@contextmanager
def same(job: Backup, folder: Path) -> Iterator[None]:
    """`require_same` as a context, for the line of a `with`."""
    require_same(job, folder)
    yield


def knows_aes(target: Target, places: Places, client: str, folder: Path) -> bool | None:
    """Does the client's processor know AES? None if no run has seen that."""
    if (seen := _seen_aes(folder)) is not None:
        return seen
    old = read(path_of(Path(places.state), client)) if client else None
    # A restore may go to another machine than the client's.
    same = old is not None and (old.host, old.port) == (target.host, target.port)
    return old.aes if old and same else None


def saw_aes(folder: Path, aes: bool | None) -> None:
    """Note the client's processor, for `remember`. `folder` is the run's private one."""
    if aes is not None:
        (folder / SEEN_AES).write_text(json.dumps(aes))


def _seen_aes(folder: Path) -> bool | None:
    try:
        return bool(json.loads((folder / SEEN_AES).read_text()))
    except (OSError, ValueError):
        return None


def remember(job: Backup, folder: Path) -> None:
    """Remember the machine after a verified run. Raises ConfigError."""
    path = path_of(Path(job.places.state), job.client)
    old = read(path)
    target = job.access.target
    keys = {**(old.keys if old else {}), **_used(folder, target, job.places)}
    aes = knows_aes(target, job.places, job.client, folder)
    fresh = Machine(target.host, target.port, keys, aes)
    if fresh != old:
        _write(path, fresh)


def replaced(state: Path, target: Target, lines: list[str], name: str) -> None:
    """Note that these known_hosts lines are a machine's new keys. Raises ConfigError.

    They are noted for all clients that were last seen at its address, and for the client `name`.
    """
    fresh = Machine(target.host, target.port, _by_type(lines))
    for path in state.glob("clients/*/machine.json"):
        old = read(path)
        at = old is not None and (old.host, old.port) == (target.host, target.port)
        if at or path.parent.name == name:
            _write(path, fresh)


def _used(folder: Path, target: Target, places: Places) -> dict[str, str]:
    """Type and fingerprint of the key that ssh has used.

    If ssh does not tell it (`config.tells`, OpenSSH before 8.5), all keys known for the address:
    the used one is among them.
    """
    try:
        kind, text = (folder / USED_KEY).read_text().split()
    except (OSError, ValueError):
        return _by_type(_lines(target, places))
    return {kind.removesuffix("-cert-v01@openssh.com"): text}


def _lines(target: Target, places: Places) -> list[str]:
    return [
        line for name in known_hosts_files(places) for line in hostkeys.pinned(target, Path(name))
    ]


def _by_type(lines: list[str]) -> dict[str, str]:
    return {hostkeys.key_part(line)[0]: hostkeys.fingerprint(line).split()[0] for line in lines}


def _known(target: Target, places: Places) -> set[str]:
    return {hostkeys.fingerprint(line).split()[0] for line in _lines(target, places)}


def _write(path: Path, machine: Machine) -> None:
    """Write the file in one step. Raises ConfigError."""
    fresh = path.with_name(path.name + ".new")
    try:
        with fresh.open("w") as file:
            json.dump(machine._asdict(), file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise of_storage(error, path.parent) or ConfigError(
            f"cannot write {path}: {error.strerror}"
        ) from None
