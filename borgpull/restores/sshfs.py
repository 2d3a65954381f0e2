"""chroot and numeric: borg extract here, into the target's tree by sshfs, in a jail as in a backup.

In the jail the names are those of the target's passwd and group (chroot), unless owners go by
number (numeric). The target needs SFTP only, executes nothing, and learns neither key nor
passphrase. No symlink of its tree is followed, and the repository is read-only in the jail.
"""

from __future__ import annotations

import contextlib
import functools
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from borgpull import events
from borgpull.borg.command import Borg
from borgpull.borg.extract import PROGRESS, Extracted
from borgpull.client.shell import script
from borgpull.client.survey import ByScript
from borgpull.errors import ConnectionLost, TargetNotUsable
from borgpull.events import Emit
from borgpull.jail import jail as jails
from borgpull.jail import namespace as namespaces
from borgpull.jail import sshfs
from borgpull.jobs import Restore
from borgpull.process import CommandError, Completed, Running, run
from borgpull.restores.base import MAX_SURVEY, SURVEY_SECONDS, Order, Site, Watch, Word
from borgpull.ssh import route
from borgpull.ssh.session import lost
from borgpull.trees import losses
from borgpull.trees.survey import Ground

LINKLESS = ("/usr/bin/python3", "-P", "-m", "borgpull.borg.inside.linkless")
# The user `nobody`. It is not root in any case, so it is taken for a user without rights.
NOBODY = 65534
# sshfs would refuse these with a warning for each file. So they are counted before, and not tried.
NOT_BY_SFTP = ("--noflags", "--noacls", "--noxattrs")


@contextlib.contextmanager
def open_site(job: Restore, borg: Borg, folder: Path, emit: Emit) -> Iterator[Site]:
    """Mount the target. Raises the errors of ssh and mounts, TargetNotUsable."""
    namespaces.require_fuse()
    target = job.there.target
    config = route.to_client(job.there, job.places, job.client, folder)
    events.phase(emit, "connect", f"connecting to {target}")
    with namespaces.namespace() as namespace:
        root, base = folder / "jail", _own_base(borg, folder / "base")
        root.mkdir()
        jail = jails.build(
            namespace,
            jails.JailSpec(str(root), job.client, (str(base),), (str(borg.repository),)),
        )
        with sshfs.mounted(jail, config, jail.spec.tree, writable=True) as process:
            _look_at_target(jail, job, emit)

            name, login = f"{target}:{job.into}", _login(jail, target.user)

            def by_script(tree: str, mount: Running) -> ByScript:
                run_survey = functools.partial(_survey, jail, mount)
                return ByScript(name=name, folder=tree + job.into, run=run_survey, login=login)

            def survey(word: Word, places: Sequence[str]) -> Ground:
                if word != "verify":
                    return by_script(jail.spec.tree, process)(word, places)
                # A fresh mount: neither sshfs nor the kernel may answer from memory.
                with sshfs.mounted(jail, config, jail.spec.second_tree, again=True) as other:
                    return by_script(jail.spec.second_tree, other)(word, places)

            def extract(order: Order, watch: Watch) -> Extracted:
                patterns = base / "patterns"
                patterns.write_bytes(order.patterns)
                prefix = jail.prefix(jail.spec.tree + job.into)
                inner = borg._replace(base=base, prefix=prefix, program=LINKLESS)
                words = order.extract(PROGRESS, *NOT_BY_SFTP, "--patterns-from", str(patterns))
                with inner.running("extract", *words) as child:
                    return watch(child)

            yield Site(
                name=name,
                folder=jail.spec.tree + job.into,
                alive=process.alive,
                survey=survey,
                extract=extract,
                losses=losses.BY_SFTP,
                holes=True,
            )


def _own_base(borg: Borg, base: Path) -> Path:
    """A copy of what borg keeps for this repository, without the cache.

    So nothing in the target's tree can reach the state.
    """
    for name in ("config", "keys", "security"):
        if (borg.base / name).is_dir():
            shutil.copytree(borg.base / name, base / name)
    base.mkdir(exist_ok=True)
    return base


def _look_at_target(jail: jails.Jail, job: Restore, emit: Emit) -> None:
    """Take the target's names. Raises TargetNotUsable, HostileClient, ConnectionLost."""
    seen = jails.adopt_client(jail, [job.into])
    for path, link in seen["symlinks"].items():
        raise TargetNotUsable(
            f"{path} leads through the symlink {link} on {job.there.target}",
            hint="name the folder without symlinks on the way (readlink -f there shows it)",
        )
    if "passwd" not in seen["names"] and not job.by_number:
        events.warning(emit, "the target has no /etc/passwd: owners are restored by number")


def _login(jail: jails.Jail, user: str) -> tuple[int, str]:
    """The number and name of the user who writes there; NOBODY if the target's passwd lacks it."""
    found = run([*jail.prefix("/"), "id", "-u", user], timeout=30, check=False)
    return (int(found.stdout) if found.returncode == 0 else NOBODY), user


def _survey(jail: jails.Jail, process: Running, word: str, data: bytes) -> Completed:
    """Run the survey's script here, in the jail. Raises ConnectionLost, TargetNotUsable."""
    argv = [*jail.prefix("/"), "sh", "-c", script("survey.sh"), "sh", word]
    try:
        done = run(argv, stdin=data, timeout=SURVEY_SECONDS, check=False, max_output=MAX_SURVEY)
    except CommandError as error:
        raise TargetNotUsable(f"cannot look at the target: {error}") from None
    if lost(process.alive, done.returncode, done.stderr) or not process.alive():
        raise ConnectionLost("the connection to the target broke")
    shown = done.stderr.replace(jail.spec.tree, "").replace(jail.spec.second_tree, "")
    return done._replace(stderr=shown)
