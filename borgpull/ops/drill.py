"""A restore drill: restore an archive here, and compare it with what the client really had.

What is restored is gone afterwards. The result says what is proved, what differs, and what nobody
can know. Anything that did not run is `could not verify`, and never a pass.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from borgpull import events, jobs
from borgpull.borg import repository
from borgpull.borg.command import Borg
from borgpull.borg.manifest import BadManifest
from borgpull.drills import checks, covered, outcomes, ready, target
from borgpull.drills.compare import Comparison
from borgpull.drills.control import control
from borgpull.drills.covered import Covered
from borgpull.drills.findings import Found
from borgpull.drills.selection import Selection
from borgpull.drills.telling import Telling
from borgpull.drills.tree import Tree
from borgpull.errors import BorgpullError, SshServiceFailed
from borgpull.events import Emit
from borgpull.ops import drilled, restore, standing
from borgpull.ops.workspace import private_folder, reading_borg, sweep_private
from borgpull.outputs.drills import Drill
from borgpull.results import Result
from borgpull.ssh.signing import sign
from borgpull.state import drills, files, manifests
from borgpull.trees.manifest import Carried, Entry

COMPARED: frozenset[Carried] = frozenset(("xattrs", "acls", "flags", "links", "devices"))
CLOCKS = 300  # seconds by which clocks may differ
PAST = 60  # earlier drills in a result
KEY = "drill-key"  # in the state: it signs the records of all clients


def run(job: jobs.Drill, emit: Emit) -> Result:
    """Drill. All but a signal is an outcome: `data` is there in any case."""
    told = Telling(job)
    proofs: drills.Proofs | None = None
    try:
        drilled.require_choice(job.archive)
        ready.require_able()
        _isolated(job, told)
        sweep_private(Path(job.scratch))  # what a killed drill has left
        ready.require_scratch(Path(job.scratch))
        with reading_borg(job, emit, lock_wait=job.lock_wait) as borg:
            state = Path(job.places.state)
            told.facts["number"] = drills.begin(state, job.client)
            proofs = drills.Proofs(state, job.client, covered.DAYS)
            with _stopped(told):
                _drill(job, borg, told, proofs, emit)
            _judge(job, told)
            drill = told.drill()
            drills.keep(state, job.client, drill, bytes(proofs.new))
    except BorgpullError as error:
        told.because(outcomes.of_error(error), error.message)
        drill = told.drill()
    return _ended(job, told, drill, emit)


def history(job: jobs.Drills, emit: Emit) -> Result:
    """What the drills of a client have found."""
    found = drills.history(Path(job.places.state), job.client)
    return Result(verb=job.verb, client=job.client, data=found)


@contextlib.contextmanager
def _stopped(told: Telling) -> Iterator[None]:
    """What ends a drill early is told as its outcome."""
    try:
        yield
    except BadManifest as error:
        told.because("could not verify", f"the manifest of this archive cannot be used: {error}")
    except BorgpullError as error:
        told.because(outcomes.of_error(error), error.message)
    except OSError as error:
        told.because("could not verify", f"what was restored cannot be read: {error}")


def _isolated(job: jobs.Drill, told: Telling) -> None:
    """Raises NotProved if there is a way out that was not allowed."""
    out = ready.ways_out()
    told.facts["isolated"] = not out
    ready.require_isolated(out, allowed=job.network)


def _drill(job: jobs.Drill, borg: Borg, told: Telling, proofs: drills.Proofs, emit: Emit) -> None:
    """Raises BadManifest, BorgpullError, OSError."""
    row = _archive(job, borg, told, emit)
    state = Path(job.places.state)
    with manifests.opened(state, job.client, row["id"]) as evidence:  # before anything is restored
        told.facts["manifest"] = evidence.number
        if unseen := sorted(COMPARED - evidence.sees):
            told.found.notes[f"the backup has not told, so not compared: {', '.join(unseen)}"] += 1
    with _scratch(job, told) as scratch, private_folder() as folder:
        root = scratch / "tree"
        root.mkdir(mode=0o755)
        selection = Selection(job, told, state, row["id"])
        _restore(job, borg, told, folder, root, row["name"], selection, emit)
        _compare(job, told, proofs, root, row["id"], selection, emit)
        events.phase(emit, "check", "running the checks")
        told.facts["checks"] = []
        ran = checks.run_all(root, job.checks, emit)
        for done in ran if job.sample is None else checks.of_a_part(job.checks):
            told.facts["checks"].append(done)
            if done["outcome"] != "pass":
                told.because(done["outcome"], f"check {done['name']}: {done['detail']}")


@contextlib.contextmanager
def _scratch(job: jobs.Drill, told: Telling) -> Iterator[Path]:
    """A folder to restore to. If it stays, that is an error, however the drill has ended."""
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(private_folder((job.scratch,)))
        try:
            yield scratch
        finally:
            stack.close()
            if scratch.exists():
                told.because("error", f"{scratch} could not be removed")


def _archive(job: jobs.Drill, borg: Borg, told: Telling, emit: Emit) -> dict[str, Any]:
    """Raises ArchiveMissing, ArchivesVanished, borg's errors."""
    judged = standing.judge(job, repository.archives(borg))
    judged.require_none_vanished("nothing was restored")
    row = drilled.chosen(job.archive, judged, told.when)
    standing.tell(row, emit)
    age = (told.when - drilled.time_of(row)).total_seconds()
    told.facts |= {
        "archive": row["name"],
        "archive_id": row["id"],
        "archive_time": drilled.time_of(row).isoformat(timespec="seconds"),
        "age": round(age, 1),
    }
    if age < -CLOCKS:
        told.because("could not verify", "the archive's time is in the future")
    if job.max_age is not None:
        _limit(told, "max_age", job.max_age, age, "the data is")
    return row


def _limit(told: Telling, name: str, limit: int, value: float, what: str) -> None:
    ok = value <= limit
    entry = {"name": name, "limit": limit, "value": round(value, 1), "ok": ok}
    told.facts.setdefault("limits", []).append(entry)
    if not ok:
        told.because("outside limits", f"{what} {value:.0f} s, and {limit} s are allowed")


def _restore(
    job: jobs.Drill,
    borg: Borg,
    told: Telling,
    folder: Path,
    root: Path,
    name: str,
    selection: Selection,
    emit: Emit,
) -> None:
    """Raises what a restore raises, and NotProved."""
    with target.restore_to(job, folder, root, name) as wanted:
        begun = time.monotonic()
        result = restore.within(
            wanted, borg, folder, emit, selection.choose, drilled.require_to_its_end
        )
        drilled.require_room(result.failure)
        seconds = time.monotonic() - begun - selection.seconds
    lost = result.data.get("cannot") or {}
    for kind, number in lost.items():
        told.found.notes[f"{kind.replace('_', ' ')}: not carried by {job.how}"] += number
    told.lost = frozenset(lost)
    told.facts["restore_seconds"] = round(seconds, 3)
    if result.failure is not None:
        told.because("differs", f"the restore says: {result.failure.message}")
    if job.max_restore_time is not None:
        _limit(told, "max_restore_time", job.max_restore_time, seconds, "the restore took")


def _compare(
    job: jobs.Drill,
    told: Telling,
    proofs: drills.Proofs,
    root: Path,
    archive_id: str,
    selection: Selection,
    emit: Emit,
) -> None:
    """Raises BadManifest, OSError, NotProved."""
    events.phase(emit, "verify", "comparing what was restored with what the client had")
    state, found = Path(job.places.state), told.found

    @contextlib.contextmanager
    def entries() -> Iterator[Iterator[Entry]]:
        with manifests.opened(state, job.client, archive_id) as every:
            yield every.entries

    def proves(entry: Entry) -> None:
        assert entry.sha256 is not None
        proofs.add(entry.item.path, entry.sha256)

    with contextlib.closing(Tree(root)) as tree:
        comparison = Comparison(tree, found, wanted=selection.wants, lost=told.lost)
        counts = Covered(proofs, told.when)
        with entries() as every:
            comparison.run(counts.after(every), proves)

        comparison.strangers(lambda: manifests.paths(state, job.client, archive_id))
        if not found.kinds and told.outcome != "differs":
            done = control(
                tree, root, comparison.candidates, lambda one: Comparison(tree, one, lost=told.lost)
            )
            told.facts["control"] = done
            if blind := [item["kind"] for item in done if not item["seen"]]:
                proofs.new.clear()  # what a blind comparison has seen is no proof
                told.because(
                    "could not verify", f"the comparison did not see a fault: {', '.join(blind)}"
                )
                return
    told.facts["coverage"] = counts.told()


def _judge(job: jobs.Drill, told: Telling) -> None:
    """The outcome of what was compared."""
    found = told.found
    if told.outcome == "pass" and not found.kinds and not told.facts.get("control"):
        told.because("could not verify", "the comparison was not put to the test")
    if found.kinds:
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(found.kinds.items()))
        first = found.findings[0]["path"] if found.findings else ""
        told.because("differs", f"not as the client had it: {kinds}; {first}")
    for what, unproved, proved in zip(
        ("files", "bytes"), found.unproved, found.restored, strict=True
    ):
        if unproved > job.max_unproved * max(proved, 1):
            told.because(
                "could not verify",
                f"{unproved} of {proved} {what} are not provable: {_why(found)}",
            )


def _why(found: Found) -> str:
    return ", ".join(f"{number} {reason}" for reason, number in sorted(found.why.items()))


def _ended(job: jobs.Drill, told: Telling, drill: Drill, emit: Emit) -> Result:
    """With the signature, and the drills before."""
    state, signature, signers = Path(job.places.state), "", ""
    try:
        signature, signers = sign(state, KEY, drills.record(drill))
        for name in (KEY, f"{KEY}.pub"):
            files.as_its_folder(state / name)
    except SshServiceFailed as error:
        events.warning(emit, error.message)
    except OSError as error:
        events.warning(emit, f"{KEY}: {error.strerror}")
    before: Sequence[Any] = drills.history(state, job.client)["drills"]
    past = [one for one in before if one["number"] != drill["number"]][-PAST:]
    return told.result(drill, history=past, signature=signature, public_key=signers)
