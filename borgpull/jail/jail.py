"""The jail in which borg runs: a root of our own, with the client's tree as one folder.

The hand-made recipe chroots into the client's tree. Here that tree is one folder of our root. The
root also holds the image's /usr (read-only), copies of the client's passwd and group, the
repository and the cache. Owners have the client's names. Yet the client's symlinks never resolve a
path from our root, and no mount point lies in its tree. Its loader, libraries and shell are never
used.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from borgpull import errors
from borgpull.errors import HostileClient
from borgpull.jail.namespace import Namespace, privilege_error
from borgpull.process import CommandError, run

MODULE = "borgpull.jail.inside"
# borg must read and write files of any owner. It needs nothing else of root's power.
CAPABILITIES = "-all,+dac_override,+dac_read_search,+fowner,+chown"


@dataclass(frozen=True)
class JailSpec:
    """The parts of a jail; `inside.py` reads them."""

    root: str
    client: str
    writable: tuple[str, ...]  # bound at the same path
    readable: tuple[str, ...] = ()  # the same, read-only

    @property
    def tree(self) -> str:
        """Where the client's tree is, as the jail sees it: stable, for borg's files cache."""
        return f"/mnt/borgpull/{self.client}"

    @property
    def second_tree(self) -> str:
        """Where verification mounts the client's tree afresh."""
        return f"/mnt/verify/{self.client}"


@dataclass(frozen=True)
class Jail:
    namespace: Namespace
    spec: JailSpec

    def prefix(self, folder: str) -> tuple[str, ...]:
        """The words before a command that make it run in a folder of the jail."""
        return tuple(
            self.namespace.enter(
                "chroot",
                self.spec.root,
                "env",
                f"--chdir={folder}",
                "setpriv",
                "--no-new-privs",
                f"--bounding-set={CAPABILITIES}",
                "--inh-caps=-all",
                "--pdeathsig=KILL",
                "--",
            )
        )


def build(namespace: Namespace, spec: JailSpec) -> Jail:
    """Make the jail's root, without the client's tree. Raises NoMountPrivilege."""
    try:
        _inside(namespace, "build", asdict(spec))
    except CommandError as error:
        raise privilege_error(error) from None
    return Jail(namespace, spec)


def adopt_client(jail: Jail, paths: Sequence[str]) -> dict[str, Any]:
    """After the mount: copy passwd and group from the client's tree, look at the wanted paths.

    Returns {"names": [files found], "missing": {path: reason}, "failed": [paths for which SFTP has
    no reason], "symlinks": {path: link on the way}, "links": {path that is a symlink: where it
    points}, "empty": [empty folders]}.
    Raises HostileClient if passwd or group is not plain or far too big; ConnectionLost if the
    client does not answer.
    """
    try:
        answer = _inside(jail.namespace, "adopt", {**asdict(jail.spec), "paths": list(paths)})
    except CommandError as error:
        raise errors.ConnectionLost(f"the client's tree cannot be read: {error}") from None
    if "hostile" in answer:
        raise HostileClient(str(answer["hostile"]))
    return answer


def _inside(namespace: Namespace, step: str, spec: dict[str, Any]) -> dict[str, Any]:
    argv = namespace.enter("/usr/bin/python3", "-P", "-m", MODULE, step)
    done = run(argv, timeout=120, stdin=json.dumps(spec).encode())
    return dict(json.loads(done.stdout or b"{}"))
