"""A restore drill: restore an archive here, and compare it with what the client really had.

What is restored is gone afterwards. The result says what is proved, what differs, and what nobody
can know. Anything that did not run is `could not verify`, and never a pass.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from borgpull import events, jobs
from borgpull.borg import items, repository
from borgpull.borg.command import Borg
from borgpull.borg.extract import Extracted
from borgpull.borg.manifest import BadManifest
from borgpull.drills import checks, covered, outcomes, ready, target
from borgpull.drills.beside import Beside, Read
from borgpull.drills.compare import Comparison
from borgpull.drills.control import control
from borgpull.drills.covered import Covered
from borgpull.drills.findings import Found
from borgpull.drills.selection import Selection
from borgpull.drills.telling import Telling
from borgpull.drills.tree import Tree
from borgpull.errors import BorgpullError, RepositoryDamaged, SshServiceFailed
from borgpull.events import Emit
from borgpull.ops import drilled, restore, standing
from borgpull.ops.private import private_folder, sweep_private
from borgpull.ops.workspace import reading_borg
from borgpull.outputs.drills import Drill
from borgpull.results import Failure, Result
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


@dataclass(frozen=True)
class _Work:
    """What a drill needs for all that it does with an archive."""

    job: jobs.Drill
    told: Telling
    proofs: drills.Proofs
    borg: Borg
    exact: Borg  # of `items.reader`
    row: Mapping[str, Any]  # the archive's
    emit: Emit

    @property
    def state(self) -> Path:
        return Path(self.job.places.state)


def _drill(job: jobs.Drill, borg: Borg, told: Telling, proofs: drills.Proofs, emit: Emit) -> None:
    """Raises BadManifest, BorgpullError, OSError."""
    with items.reader(borg) as exact:  # it loads its code while the archives are listed
        row = _archive(job, borg, told, emit)
        work = _Work(job, told, proofs, borg, exact, row, emit)
        with manifests.opened(work.state, job.client, row["id"]) as evidence:  # before any restore
            told.facts["manifest"] = evidence.number
            if unseen := sorted(COMPARED - evidence.sees):
                text = f"the backup has not told, so not compared: {', '.join(unseen)}"
                told.found.notes[text] += 1
        with _scratch(job, told) as scratch, private_folder() as folder:
            root = scratch / "tree"
            root.mkdir(mode=0o755)
            selection = Selection(job, told, work.state, row["id"])
            read = _restore(work, folder, root, selection)
            _compare(work, root, selection, read)
            _check(work, root)


def _check(work: _Work, root: Path) -> None:
    job, told = work.job, work.told
    events.phase(work.emit, "check", "running the checks")
    told.facts["checks"] = []
    ran = checks.run_all(root, job.checks, work.emit)
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


def _restore(work: _Work, folder: Path, root: Path, selection: Selection) -> Read:
    """What was read meanwhile. Raises what a restore raises, NotProved, BadManifest, OSError."""
    job, told = work.job, work.told
    beside = Beside(root, selection.compare, lambda entry: selection.wants(entry.item))

    def hear(done: Extracted) -> None:
        drilled.require_to_its_end(done)
        beside.at_its_end()

    with target.restore_to(job, folder, root, work.row["name"]) as wanted, beside:
        begun = time.monotonic()
        try:
            result = restore.within(
                *(wanted, work.borg, folder, beside.hearing(work.emit)),
                *(selection.choose, hear),
                exact=work.exact,
            )
            failure, lost = result.failure, result.data.get("cannot") or {}
        except RepositoryDamaged as error:
            if not beside.extracts:
                raise
            failure, lost = Failure.of(error), {}  # already the first file could not be restored
        drilled.require_room(failure)
        seconds = time.monotonic() - begun - selection.seconds
    for kind, number in lost.items():
        told.found.notes[f"{kind.replace('_', ' ')}: not carried by {job.how}"] += number
    told.lost = frozenset(lost)
    told.facts["restore_seconds"] = round(seconds, 3)
    if failure is not None:
        told.because("differs", f"the restore says: {failure.message}")
    if job.max_restore_time is not None:
        _limit(told, "max_restore_time", job.max_restore_time, seconds, "the restore took")
    return beside.read


def _compare(work: _Work, root: Path, selection: Selection, read: Read) -> None:
    """Raises BadManifest, OSError, NotProved."""
    events.phase(work.emit, "verify", "comparing what was restored with what the client had")
    state, told, proofs = work.state, work.told, work.proofs
    client, archive_id, found = work.job.client, work.row["id"], work.told.found

    @contextlib.contextmanager
    def entries() -> Iterator[Iterator[Entry]]:
        with manifests.opened(state, client, archive_id) as every:
            yield every.entries

    with contextlib.closing(Tree(root)) as tree:
        comparison = Comparison(
            tree, found, wanted=selection.wants, lost=told.lost, was_read=read.has
        )
        counts = Covered(proofs, told.when)
        with entries() as every:
            comparison.run(counts.after(every), counts.proves)

        comparison.strangers(lambda: manifests.paths(state, client, archive_id))
        if not found.kinds and told.outcome != "differs":
            # It must see a spoilt byte in a file that was read before.
            done = control(
                *(tree, root, comparison.candidates),
                lambda one: Comparison(tree, one, lost=told.lost, was_read=read.has),
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
