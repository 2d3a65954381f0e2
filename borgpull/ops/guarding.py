"""The guard on every backup: what it finds, and what that freezes (`freeze.py` has the rest)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from borgpull import events, jobs
from borgpull.borg.inside.reads import Reads
from borgpull.borg.manifest import BadManifest
from borgpull.errors import BorgpullError, GuardTripped
from borgpull.events import Emit
from borgpull.guard import compare, rules, sketch
from borgpull.guard.compare import Change
from borgpull.guard.figures import Figures, nothing
from borgpull.guard.look import Seen
from borgpull.ops import earlylook, freeze
from borgpull.ops.earlylook import Again, Early
from borgpull.outputs.backups import Saved
from borgpull.outputs.guard import Finding, Frozen, Guard
from borgpull.state import guards, manifests

MAX_NEAR = 200  # empty folders near the root, in the figures of a run
FIRST = "there is no earlier backup of these paths to compare with"
DAMAGED = "what is known of the last backup cannot be read"
# Of these compressions the size of a chunk says something of its content.
_TELLING = ("lz4", "zstd", "zlib", "lzma", "auto")


def watch(
    job: jobs.Backup,
    row: Mapping[str, Any],
    saved: Saved,
    emit: Emit,
    reads: Reads | None = None,
    early: Early | None = None,
) -> Guard:
    """Compare a verified archive with the runs before it, and freeze the client if it must be.

    `row` is the archive's. Where nobody can look, the result says so. A failure of the guard itself
    is only a warning, because the archive is good: then it is not guarded, and says so, too.
    `reads` spare it from going through all files, if they say enough. `early` is what `begin` has
    begun.
    """
    state = Path(job.places.state)
    try:
        guard = _watch(job, state, row, saved, emit, reads, early)
    except (BadManifest, BorgpullError, OSError) as error:
        guard = _blind(job, f"the guard could not look: {error}")
    try:
        guards.tell(state, job.client, guard)
    except BorgpullError as error:
        events.warning(emit, f"what the guard says is not kept: {error.message}")
    _tell(job, guard, emit)
    return guard


def _watch(
    job: jobs.Backup,
    state: Path,
    row: Mapping[str, Any],
    saved: Saved,
    emit: Emit,
    reads: Reads | None,
    early: Early | None,
) -> Guard:
    """Raises BadManifest, DiskFull, StorageFailed, ConfigError, OSError."""
    if manifests.find(state, job.client, row["id"]) is None:
        return _blind(job, f"there is no manifest of this archive (`{job.verb}`)")
    if job.verb != "stream":  # others hash a share, another one each time
        return _blind(job, f"the manifest by `{job.verb}` does not tell each content")
    scope = guards.Scope(state, job.client, _scope(job))
    scope.make()
    past = [*earlylook.past_of(scope)][::-1]
    last = past[-1] if past else None
    figures = _figures(job, row, saved)
    if _unchanged(past, figures, saved, reads) and scope.sketch.exists():
        return _like_before(job, scope, figures, past)
    again = None
    numbers = figures["items"], figures["unreadable"]
    if last and reads and _same_names(last, *numbers, reads, saved["files_read"]):
        again = _again(job, scope, last, figures, reads, early)
    if again is not None and again.now.sketch.rows == again.before.rows:
        return _like_before(job, scope, figures, past)
    now = again.now if again else _look(state, job.client, row["id"], early)
    before = again.before if again else sketch.read(scope.sketch) if past else None
    if before is None:
        return _first(job, scope, figures, now, had=bool(past))
    events.phase(emit, "guard", f"comparing {saved['archive']} with earlier backups")
    change = again.change if again else None
    if change is None:
        if (tripped := sketch.read(scope.tripped)) is not None:
            now.recall(tripped)
        change = compare.compare(before, now)
    return _judge(job, scope, figures, past, now, change)


def _judge(
    job: jobs.Backup,
    scope: guards.Scope,
    figures: Figures,
    past: list[Figures],
    now: Seen,
    change: Change,
) -> Guard:
    """Raises DiskFull, StorageFailed, ConfigError."""
    _fill(figures, now, change)
    findings = rules.judge(figures, change, past)
    figures["good"] = not findings
    now.sketch.write(scope.tripped if findings else scope.sketch)
    if findings:
        _freeze(job, figures, findings)
    scope.keep(figures)
    state_ = "tripped" if findings else "good"
    return _guard(job, state_, runs=rules.compared(past), findings=findings)


def _like_before(
    job: jobs.Backup, scope: guards.Scope, figures: Figures, past: list[Figures]
) -> Guard:
    """Raises DiskFull, StorageFailed, ConfigError."""
    same = past[-1]
    figures["files"], figures["bytes"] = same["files"], same["bytes"]
    figures["hard"], figures["empty"] = same["hard"], same["empty"]
    scope.keep(figures)
    return _guard(job, "good", runs=rules.compared(past))


def _scope(job: jobs.Backup) -> list[object]:
    skips = job.skips
    tags = [skips.caches, sorted(skips.tags), skips.keep_tags, skips.one_file_system]
    return [sorted(job.paths), list(job.exclude), tags]


def _figures(job: jobs.Backup, row: Mapping[str, Any], saved: Saved) -> Figures:
    when = datetime.now(UTC).isoformat(timespec="seconds")
    figures = nothing(saved["archive"], row["id"], when)
    figures["items"], figures["content"] = dict(saved["items"]), saved["bytes"]
    figures["unreadable"] = len(saved["allowed_unreadable"])
    figures["measured"] = job.compression.partition(",")[0] in _TELLING
    return figures


def _unchanged(past: list[Figures], now: Figures, saved: Saved, reads: Reads | None) -> bool:
    """Is the archive of this run like the last one? Then there is nothing to look for.

    No file was read or came back, and there are as many of each kind, with as many bytes: none is
    gone.
    """
    moved = saved["files_read"] or (reads is not None and reads.came)
    if not past or moved or not past[-1]["good"]:
        return False
    same = ("items", "content", "unreadable")
    return all(past[-1][key] == now[key] for key in same)  # type: ignore[literal-required]


def _same_names(
    last: Figures, items: Mapping[str, int], unreadable: int, reads: Reads, files_read: int
) -> bool:
    """Has this archive the names of the last one, if all files that were read were there before?

    No other file came, and there are as many of each kind: then none is gone.
    """
    known = last["good"] and reads.before == last["archive_id"]
    same = last["items"] == items and last["unreadable"] == unreadable
    return known and same and reads.are_all(files_read)


def _again(
    job: jobs.Backup,
    scope: guards.Scope,
    last: Figures,
    now: Figures,
    reads: Reads,
    early: Early | None,
) -> Again | None:
    """By the files that were read; None if that is not enough. Raises as `earlylook.again`."""
    found = early.found() if early is not None else None
    if not isinstance(found, Again) or found.last != last["archive_id"]:
        found = earlylook.again(Path(job.places.state), job.client, scope, reads)
    if found is None or last["content"] + found.grown != now["content"]:
        return None
    return found


def _look(state: Path, client: str, archive_id: str, early: Early | None) -> Seen:
    """Raises BadManifest, DiskFull, StorageFailed, ConfigError."""
    with manifests.skimmed(state, client, archive_id) as found:
        return earlylook.of_kept(early, found) or earlylook.seen(state, client, found)


def begin(
    job: jobs.Backup,
    reads: Reads | None,
    files_read: int,
    items: Mapping[str, int],
    unreadable: int,
) -> Early | None:
    """Look at the files while the archive is saved, at all of them if that will be needed.

    `items` and `unreadable` are as in `Figures`. A wrong guess costs time, and nothing else.
    """
    if reads is None:
        return None
    state, client = Path(job.places.state), job.client
    scope = guards.Scope(state, client, _scope(job))
    last = next(earlylook.past_of(scope), None) if scope.sketch.exists() else None
    with contextlib.suppress(RuntimeError):
        if last is None or not _same_names(last, items, unreadable, reads, files_read):
            return Early(lambda: earlylook.whole(state, client))
        if reads.files:
            return Early(lambda: earlylook.again(state, client, scope, reads))
    return None


def _first(
    job: jobs.Backup, scope: guards.Scope, figures: Figures, now: Seen, *, had: bool
) -> Guard:
    compare.learn(now)
    _fill(figures, now, Change())
    now.sketch.write(scope.sketch)
    scope.keep(figures)
    return _guard(job, "first", runs=0, why=DAMAGED if had else FIRST)


def _fill(figures: Figures, now: Seen, change: Change) -> None:
    figures["files"], figures["bytes"] = now.files, now.size
    figures["hard"] = now.sketch.hard_paths
    figures["gone"], figures["gone_bytes"] = change.gone, change.gone_bytes
    figures["moved"] = change.moved
    figures["rewritten"], figures["rewritten_hard"] = change.rewritten, change.rewritten_hard
    if figures["measured"]:
        figures["turned"], figures["turned_bytes"] = change.turned, change.turned_bytes
    near = sorted(path for path, is_near in now.empty.values() if is_near)
    lost = [folder.path for folder in change.emptied]
    figures["empty"] = [*dict.fromkeys([*lost[:MAX_NEAR], *near[:MAX_NEAR]])]


def _freeze(job: jobs.Backup, figures: Figures, findings: list[Finding]) -> None:
    """What has frozen it first stays. Raises DiskFull, StorageFailed, ConfigError."""
    state = Path(job.places.state)
    if guards.frozen(state, job.client) is None:
        frozen: Frozen = {
            "since": figures["time"],
            "archive": figures["archive"],
            "findings": findings,
        }
        guards.freeze(state, job.client, frozen)


def _guard(
    job: jobs.Backup,
    state: Any,
    *,
    runs: int,
    why: str = "",
    findings: list[Finding] | None = None,
) -> Guard:
    frozen = guards.frozen(Path(job.places.state), job.client) is not None
    found = findings or []
    return {"state": state, "why": why, "runs": runs, "findings": found, "frozen": frozen}


def _blind(job: jobs.Backup, why: str) -> Guard:
    return _guard(job, "not guarded", runs=0, why=why)


def _tell(job: jobs.Backup, guard: Guard, emit: Emit) -> None:
    for finding in guard["findings"]:
        events.warning(emit, f"guard: {finding['text']}")
    if guard["state"] == "first" and guard["why"] != FIRST:
        events.warning(emit, f"guard: {guard['why']}: it begins anew")
    if guard["state"] == "not guarded":
        events.note(emit, f"not guarded: {guard['why']}")
    if guard["frozen"] and not guard["findings"]:
        events.warning(emit, f"{freeze.text(job.client)}; unverified archives stay, too")


def tripped(client: str, archive: str, guard: Guard) -> GuardTripped:
    """The error of a run in which the guard has found something."""
    first = guard["findings"][0]["text"]
    more = len(guard["findings"]) - 1
    rest = f", and {more} more" if more else ""
    return GuardTripped(f"archive {archive} of {client} is verified, but {first}{rest}")
