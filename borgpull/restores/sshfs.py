"""chroot and numeric: borg extract here, into the target's tree by sshfs, in a jail as in a backup.

In the jail the names are those of the target's passwd and group (chroot), unless owners go by
number (numeric). The target needs SFTP only, executes nothing, and learns neither key nor
passphrase. No symlink of its tree is followed, and the repository is read-only in the jail.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from borgpull import events
from borgpull.borg.command import Borg
from borgpull.borg.extract import PROGRESS, Extracted
from borgpull.client.setup import script
from borgpull.errors import ConnectionLost, TargetNotUsable
from borgpull.events import Emit
from borgpull.model import JobSpec
from borgpull.process import CommandError, Completed, Running, run
from borgpull.restores import losses
from borgpull.restores.base import SURVEY_SECONDS, Order, Site, Watch
from borgpull.sidecar import jail as jails
from borgpull.sidecar import namespace as namespaces
from borgpull.sidecar import sshfs
from borgpull.ssh import config as ssh_config

LINKLESS = ("/usr/bin/python3", "-P", "-m", "borgpull.borg.linkless")
# Not root in any case: it has no rights there.
NOBODY = 65534
# What sshfs would refuse with a warning for each file is not even tried: it is counted before.
NOT_BY_SFTP = ("--noflags", "--noacls", "--noxattrs")


@contextlib.contextmanager
def open_site(job: JobSpec, borg: Borg, folder: Path, emit: Emit) -> Iterator[Site]:
    """Mount the target. Raises the errors of ssh and mounts, TargetNotUsable."""
    assert job.target is not None
    namespaces.require_fuse()
    config = ssh_config.write(folder, job.target, job.places)
    events.phase(emit, "connect", f"connecting to {job.target}")
    with namespaces.namespace() as namespace:
        root, base = folder / "jail", _own_base(borg, folder / "base")
        root.mkdir()
        jail = jails.build(
            namespace,
            jails.JailSpec(str(root), job.client, (str(base),), (str(borg.repository),)),
        )
        with sshfs.mounted(jail, config, jail.spec.tree, writable=True) as process:
            _look_at_target(jail, job, emit)

            def survey(word: str, data: bytes) -> Completed:
                if word != "verify":
                    return _survey(jail, process, word, data)
                # Afresh: neither sshfs nor the kernel may answer from memory.
                with sshfs.mounted(jail, config, jail.spec.second_tree) as other:
                    again = f"{jail.spec.second_tree}{job.into}\n".encode()
                    return _survey(jail, other, word, again + data.partition(b"\n")[2])

            def extract(order: Order, watch: Watch) -> Extracted:
                patterns = base / "patterns"
                patterns.write_bytes(order.patterns)
                inner = replace(
                    borg, base=base, prefix=(*jail.prefix(jail.spec.tree + job.into), *LINKLESS)
                )
                words = order.extract(PROGRESS, *NOT_BY_SFTP, "--patterns-from", str(patterns))
                with inner.running("extract", *words) as child:
                    return watch(child)

            yield Site(
                name=f"{job.target}:{job.into}",
                folder=jail.spec.tree + job.into,
                alive=process.alive,
                survey=survey,
                extract=extract,
                losses=losses.BY_SFTP,
                login=_login(jail, job.target.user),
            )


def _own_base(borg: Borg, base: Path) -> Path:
    """A copy of what borg keeps for this repository, but its cache: nothing of the state is within
    reach of what the target's tree may hold."""
    for name in ("config", "keys", "security"):
        if (borg.base / name).is_dir():
            shutil.copytree(borg.base / name, base / name)
    base.mkdir(exist_ok=True)
    return base


def _look_at_target(jail: jails.Jail, job: JobSpec, emit: Emit) -> None:
    """Take the target's names. Raises TargetNotUsable, HostileClient, ConnectionLost."""
    seen = jails.adopt_client(jail, [job.into])
    for path, link in seen["symlinks"].items():
        raise TargetNotUsable(
            f"{path} leads through the symlink {link} on {job.target}",
            hint="name the folder without symlinks on the way (readlink -f there shows it)",
        )
    if "passwd" not in seen["names"] and not job.by_number:
        events.warning(emit, "the target has no /etc/passwd: owners are restored by number")


def _login(jail: jails.Jail, user: str) -> tuple[int, str]:
    """The number of the user who writes there. Unknown to the target's files: nobody's."""
    found = run([*jail.prefix("/"), "id", "-u", user], timeout=30, check=False)
    return (int(found.stdout) if found.returncode == 0 else NOBODY), user


def _survey(jail: jails.Jail, process: Running, word: str, data: bytes) -> Completed:
    """The survey, from here; raises ConnectionLost, TargetNotUsable."""
    argv = [*jail.prefix("/"), "sh", "-c", script("survey.sh"), "sh", word]
    try:
        done = run(argv, stdin=data, timeout=SURVEY_SECONDS, check=False)
    except CommandError as error:
        raise TargetNotUsable(f"cannot look at the target: {error}") from None
    if not process.alive():
        raise ConnectionLost("the connection to the target broke")
    shown = done.stderr.replace(jail.spec.tree, "").replace(jail.spec.second_tree, "")
    return replace(done, stderr=shown)
