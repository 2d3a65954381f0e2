"""A drill's result, as it grows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from borgpull import __version__, jobs
from borgpull.drills.findings import Found, share
from borgpull.drills.outcomes import MEANINGS, gravest
from borgpull.errors import DrillFailed
from borgpull.outputs.drills import Drill, Outcome
from borgpull.results import Failure, Result


@dataclass
class Telling:
    """What is known of a drill. Whatever stops it, there is a result."""

    job: jobs.Drill
    when: datetime = field(default_factory=lambda: datetime.now(UTC))
    begun: float = field(default_factory=time.monotonic)
    reasons: list[tuple[Outcome, str]] = field(default_factory=list)
    found: Found = field(default_factory=Found)
    lost: frozenset[str] = frozenset()  # what the way of restoring cannot carry
    facts: dict[str, Any] = field(default_factory=dict)  # fields of Drill, as they become known

    def because(self, outcome: Outcome, reason: str) -> None:
        self.reasons.append((outcome, reason))

    @property
    def outcome(self) -> Outcome:
        return gravest(outcome for outcome, _ in self.reasons)

    def drill(self) -> Drill:
        found, order = self.found, list(MEANINGS)
        reasons = sorted(self.reasons, key=lambda reason: order.index(reason[0]))
        told: Any = {
            "format": 1,
            "client": self.job.client,
            "number": 0,
            "outcome": self.outcome,
            "reasons": list(dict.fromkeys(text for _, text in reasons)),
            "when": self.when.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - self.begun, 3),
            "chosen": self.job.archive,
            "archive": None,
            "archive_id": None,
            "archive_time": None,
            "age": None,
            "how": self.job.how,
            "sample": None,
            "restore_seconds": None,
            "entries": 0,
            "restored": share(found.restored),
            "proved": share(found.proved),
            "unproved": share(found.unproved),
            "unproved_why": dict(sorted(found.why.items())),
            "differs": dict(sorted(found.kinds.items())),
            "findings": found.findings,
            "notes": [f"{text} ({number})" for text, number in sorted(found.notes.items())],
            "control": [],
            "checks": [],
            "limits": [],
            "isolated": None,
            "coverage": None,
            "manifest": None,
            "versions": {"borgpull": __version__},
            **self.facts,
        }
        drill: Drill = told
        return drill

    def result(self, drill: Drill, **more: Any) -> Result:
        meaning = MEANINGS[drill["outcome"]]
        failure = None
        if meaning.error is not None:
            failure = Failure.of(meaning.error("; ".join(drill["reasons"][:3])))
        return Result(
            verb=self.job.verb,
            client=self.job.client,
            ok=failure is None,
            failure=failure,
            data={**drill, **more},
        )


def failed_after_all(result: Result, error: DrillFailed) -> Result:
    """The result of a drill that has failed by itself at its very end, with all that it has found.

    Its record has another outcome, so the record's signature is not this result's.
    """
    data: Mapping[str, Any] = result.data
    if "outcome" in data:  # the demo has two drills, and neither has failed
        reasons = [error.message, *data["reasons"]]
        data = {**data, "outcome": "error", "reasons": reasons, "signature": "", "public_key": ""}
    return replace(result, ok=False, failure=Failure.of(error), data=data)
