"""The drills of a client, for an auditor: one row a drill, in Markdown."""

from __future__ import annotations

from borgpull.drills.outcomes import MEANINGS
from borgpull.outputs.drills import History, Past
from borgpull.reports import figures
from borgpull.reports.figures import duration, moment, share
from borgpull.reports.summary import code, sign, table, text

HEAD = (
    "drill", "when", "outcome", "archive", "part", "way", "restore time", "restored", "proved",
    "not provable", "coverage",
)  # fmt: skip


def render(client: str, history: History) -> bytes:
    """The newest drill first."""
    drills = history["drills"]
    counts = (
        f"{number} {outcome}"
        for outcome in reversed(MEANINGS)
        if (number := sum(past["outcome"] == outcome for past in drills))
    )
    lines = [
        f"## Restore drills of {text(client)}",
        "",
        f"- last drill that was begun: {moment(history['last_run'])}",
        f"- last drill that passed: {moment(history['last_good'])}",
        f"- {len(drills)} drills in here: {', '.join(counts) or 'none'}",
    ]
    if drills:
        lines += table(HEAD, map(_row, reversed(drills)))
    return ("\n".join(lines) + "\n").encode()


def _row(past: Past) -> tuple[str, ...]:
    covered = past["coverage"]
    return (
        str(past["number"]),
        moment(past["when"]),
        sign(past["outcome"]),
        code(past["archive"]) if past["archive"] else "none",
        text(past["sample"] or "all"),
        text(past["how"]),
        duration(past["restore_seconds"]),
        share(past["restored"]),
        share(past["proved"]),
        share(past["unproved"]),
        figures.percent_text(
            None if covered is None else figures.percent(covered["proved"], covered["all"])
        ),
    )
