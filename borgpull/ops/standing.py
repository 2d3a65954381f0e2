"""What an archive is worth: its standing, by the ledger and the repository's list of archives.

All code that must know whether an archive counts asks here. A name alone proves nothing: a client
that reaches the repository gives its archives any name and any time.

    verified     a verified run or a command of this server made it, or a user adopted it; and its
                 time in the list is as it was then
    unverified   it has the name of an archive whose run did not come to its end, ours or borg's
    stranger     no run or command of this server made it as it is now
    not_known    it was there before this server's ledger began (a repository from elsewhere, or a
                 ledger that was lost)
    vanished     it was verified, and is no longer in the repository as it was recorded
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from borgpull import events, jobs
from borgpull.borg import repository
from borgpull.borg.repository import may_count
from borgpull.errors import ArchiveMissing, ArchivesVanished, StrangeArchives
from borgpull.events import Emit
from borgpull.outputs.archives import Vanished
from borgpull.state import ledger
from borgpull.state.ledger import Archives, Key, Known, Watched

VERIFIED, UNVERIFIED, STRANGER = "verified", "unverified", "stranger"
NOT_KNOWN, VANISHED = "not_known", "vanished"
SHOWN_NAMES = 5
# What to say of an archive with such a standing when it is used.
DOUBTS = {
    UNVERIFIED: "it is of a run that did not come to its end",
    STRANGER: "no verified run of this server made it",
    NOT_KNOWN: "it is older than this server's ledger",
}

Row = dict[str, Any]


def is_latest(name: str | None) -> bool:
    """Does this name (None if none was given) stand for the newest archive that counts?"""
    return name in (None, "latest")


def counting(rows: Sequence[Row]) -> list[Row]:
    """The archives that count, in their order: the verified ones.

    If none is verified, those not known count: a new server must be able to restore with only a
    repository and its passphrase.
    """
    verified = [row for row in rows if row["standing"] == VERIFIED]
    return verified or [row for row in rows if row["standing"] == NOT_KNOWN]


class Judged(NamedTuple):
    """The archives of a repository, oldest first, each with its `standing`; and those vanished."""

    client: str
    rows: Sequence[Row]
    vanished: Sequence[Vanished]

    def of(self, *standings: str) -> list[Row]:
        return [row for row in self.rows if row["standing"] in standings]

    def latest(self) -> Row | None:
        """The newest archive that counts."""
        rows = counting(self.rows)
        return rows[-1] if rows else None

    def chosen(self, name: str | None) -> Row:
        """The archive of this name, or the latest (`is_latest`). Raises ArchiveMissing."""
        if is_latest(name):
            row = self.latest()
            if row is None:
                raise ArchiveMissing(f"{self.client} has no verified archive yet")
            return row
        for row in self.rows:
            if row["name"] == name:
                return row
        raise ArchiveMissing(f"{self.client} has no archive {name}")

    def require_none_vanished(self, what: str) -> None:
        """Raises ArchivesVanished; `what` says what that means for the caller."""
        if self.vanished:
            raise ArchivesVanished(
                f"{what}, but {len(self.vanished)} verified archive(s) of {self.client} "
                f"have vanished: {some(self.vanished)}"
            )

    def require_no_strangers(self, what: str, *, unverified: bool = False) -> None:
        """Raises StrangeArchives. With `unverified`, unverified archives are in the way, too."""
        odd = self.of(STRANGER, NOT_KNOWN, *([UNVERIFIED] if unverified else []))
        if odd:
            raise StrangeArchives(
                f"{what}: no verified run of this server made {len(odd)} archive(s) of "
                f"{self.client}: {some(odd)}",
                hint=_way_out(self.client, odd),
            )


def judge(job: jobs.Job, archives: Archives) -> Judged:
    """The standing of each archive of a listing. Reads only. Raises LedgerUnreadable."""
    now = ledger.known(ledger.lines(Path(job.places.state), job.client))
    twice = repository.with_two_names(archives)
    rows = [
        {**item, "standing": _standing(item, now, alias=item["id"] in twice)} for item in archives
    ]
    return Judged(job.client, rows, vanished(now, archives))


def _standing(item: Mapping[str, Any], now: Known, *, alias: bool) -> str:
    """`alias`: only one of the names of an archive can be what the ledger knows it by."""
    name, borg_id = item["name"], item["id"]
    if not may_count(name):
        return STRANGER if alias else UNVERIFIED
    # An entry without an id is from this server's latest runs. No client had access since then.
    watched = now.watched.get((name, borg_id)) or now.watched.get((name, None))
    if watched is not None:
        return VERIFIED if same_time(watched.time, item["time"]) else STRANGER
    return NOT_KNOWN if not now.begun or (name, borg_id) in now.found else STRANGER


def vanished(now: Known, archives: Archives) -> list[Vanished]:
    """Archives that the ledger has and the list lacks, neither removed by us nor acknowledged."""
    there = {str(item["name"]): item for item in archives}
    return [
        {
            "name": name,
            "id": borg_id or None,
            "time": datetime.fromtimestamp(watched.when, UTC).isoformat(),
            "replaced": name in there,
        }
        for (name, borg_id), watched in now.watched.items()
        if _is_lost((name, borg_id), watched, now, there.get(name))
    ]


def _is_lost(key: Key, watched: Watched, now: Known, item: Mapping[str, Any] | None) -> bool:
    """Has it gone, or has it another time? `item` is the archive of its name in the list.

    What a prune of ours was removing when it was killed may have gone by it.
    """
    if item is None or key[1] not in (None, item["id"]):
        return key not in now.leaving
    return not same_time(watched.time, item["time"])


def same_time(recorded: str | None, listed: str | None) -> bool:
    """Is it the recorded time, to the second? Lines of older versions recorded none: then yes.

    borg's list has the time from the manifest, which a client can write. A changed time would make
    another archive the newest, for `prune` too.
    """
    if recorded is None:
        return True
    try:
        one, other = (datetime.fromisoformat(text or "") for text in (recorded, listed))
        return abs((one - other).total_seconds()) < 1
    except (ValueError, TypeError, OverflowError):
        return recorded == listed


def tell(row: Mapping[str, Any], emit: Emit) -> None:
    """Warn if an archive is used that is not verified."""
    if doubt := DOUBTS.get(row["standing"]):
        events.warning(emit, f"{row['name']} is not verified: {doubt}")


def tell_strangers(judged: Judged, emit: Emit) -> None:
    """Warn of the strangers and the archives not known: a user must look at them."""
    for standing in (STRANGER, NOT_KNOWN):
        if odd := judged.of(standing):
            events.warning(
                emit,
                f"{len(odd)} archive(s) do not count: {some(odd)} ({DOUBTS[standing]}); "
                f"{_way_out(judged.client, odd)}",
            )


def _way_out(client: str, odd: Sequence[Row]) -> str:
    if {row["standing"] for row in odd} == {NOT_KNOWN}:
        return f"look at them, then: borgpull acknowledge {client} --adopt-not-known"
    return (
        "look at them, then keep or delete each by its name: "
        f"borgpull acknowledge {client} --adopt NAME --delete NAME"
    )


def some(rows: Sequence[Row] | Sequence[Vanished]) -> str:
    """The first names."""
    rest = len(rows) - SHOWN_NAMES
    names = ", ".join(str(row["name"]) for row in rows[:SHOWN_NAMES])
    return names + (f" and {rest} more" if rest > 0 else "")
