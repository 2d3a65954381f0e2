"""`drill --demo`: a drill of a good backup and one of a spoilt copy, side by side.

All parts are those of a real run. The client is this container: a small tree in the scratch folder,
behind an sshd of this run on loopback.
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path
from typing import cast

from borgpull import events, jobs
from borgpull.drills import ready, target
from borgpull.drills.flip import flip_within
from borgpull.errors import DrillFailed
from borgpull.events import Emit, silent
from borgpull.ops import beginning, drill
from borgpull.ops.private import private_folder, sweep_private
from borgpull.outputs.drills import Demonstrated, Outcome, Reported
from borgpull.places import Places
from borgpull.results import Failure, Result

CLIENT = "demo"
_PHOTO = 256 << 10  # bytes: most of the repository


def run(job: jobs.Demo, emit: Emit) -> Result:
    """Make a backup, drill it, spoil a copy, and drill that.

    Raises NotProved if no drill can run here, and what a backup raises.
    """
    ready.require_able()
    ready.require_isolated(ready.ways_out(), allowed=job.network)
    sweep_private(Path(job.scratch))
    ready.require_scratch(Path(job.scratch))
    with private_folder((job.scratch,)) as folder:
        events.phase(emit, "create", "making a small backup")
        places = _saved(folder)
        good = _drilled(job, folder, places, emit, "drilling it")
        spoil(folder, Path(places.repo))
        spoilt = _drilled(job, folder, places, emit, "drilling a copy with one wrong bit")
        data: Demonstrated = {"good": good, "spoilt": spoilt}
    if folder.exists():
        raise DrillFailed(f"{folder} could not be removed")
    failure = judged(good["outcome"], spoilt["outcome"])
    return Result(verb=job.verb, ok=failure is None, failure=failure, data=data)


def judged(good: Outcome, spoilt: Outcome) -> Failure | None:
    """Only these two outcomes show that a drill can tell a good backup from a bad one."""
    if (good, spoilt) == ("pass", "differs"):
        return None
    error = DrillFailed(
        f"the good backup came out as {good!r}, and the spoilt one as {spoilt!r}",
        hint="the reasons above say why; a drill that ends so proves nothing",
    )
    return Failure.of(error)


def _saved(folder: Path) -> Places:
    """A repository with one archive, and its state. Raises what a backup raises."""
    tree = folder / "client"
    tree.mkdir()
    (tree / "letter.txt").write_text("Dear Sir or Madam,\n")
    (tree / "photo.jpg").write_bytes(secrets.token_bytes(_PHOTO))
    (tree / "photo.jpg").chmod(0o640)
    (tree / "newest").symlink_to("photo.jpg")
    passphrase = folder / "passphrase"
    passphrase.write_text(secrets.token_hex())
    places = Places(
        repo=str(folder / "repo"), state=str(folder / "state"), passphrase=str(passphrase)
    )
    for place in (places.repo, places.state):
        Path(place).mkdir()
    with private_folder() as private, target.machine(private, places) as (access, keys):
        wanted = jobs.Backup(
            verb="stream",
            client=CLIENT,
            access=access,
            places=keys,
            paths=(str(tree),),
            archive="archive",
            init=True,
        )
        beginning.run(wanted, silent)
    return places


def spoil(folder: Path, repo: Path) -> None:
    """Let a copy be there instead, in which one bit of the photo is wrong.

    It has the same path: borg refuses a repository that has moved.
    """
    kept = repo.rename(folder / "kept")
    shutil.copytree(kept, repo, symlinks=True)
    flip_within(repo / CLIENT)


def _drilled(job: jobs.Demo, folder: Path, places: Places, emit: Emit, text: str) -> Reported:
    events.phase(emit, "verify", text)
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    wanted = jobs.Drill(
        client=CLIENT, places=places, scratch=str(scratch), how=job.how, network=job.network
    )
    return cast("Reported", drill.run(wanted, silent).data)
