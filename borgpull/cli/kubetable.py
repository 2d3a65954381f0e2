"""The table of a cluster's jobs."""

from __future__ import annotations

from typing import Any

from borgpull.cli.text import age, safe, table, when

SHOWN_TEXT = 100


def lines(jobs: list[dict[str, Any]]) -> list[str]:
    """A table. A time that is too old has a `!`, as in the one of `status` itself."""
    if not jobs:
        return ["no jobs of borgpull here"]
    rows = [["NAMESPACE", "CLIENT", "JOB", "LAST GOOD", "LAST TRY", "NEXT", ""]]
    rows += [[safe(cell) for cell in _cells(item)] for item in jobs]
    if len({item["namespace"] for item in jobs}) == 1:
        rows = [row[1:] for row in rows]
    return table(rows)


def _cells(item: dict[str, Any]) -> list[str]:
    last = item["last"]
    return [
        item["namespace"],
        item["client"] or "-",
        _job(item),
        _good(item["good"]),
        "-" if last is None else _try(last),
        _next(item),
        "; ".join(["green" if item["ok"] else "red", *_notes(item)]),
    ]


def _job(item: dict[str, Any]) -> str:
    """The verb, and whose it is where the name does not say so."""
    name = item["cronjob"]
    return str(item["verb"] if name is None else f"{item['verb']} ({name})")


def _good(item: dict[str, Any]) -> str:
    text = "never" if item["time"] is None else f"{when(item['time'])} ({age(item['age'])})"
    return text if item["ok"] else f"{text} !"


def _try(last: dict[str, Any]) -> str:
    code = "no exit code" if last["exit_code"] is None else str(last["exit_code"])
    return f"{code} {last['error']}".strip() if last["exit_code"] != 0 else "0"


def _next(item: dict[str, Any]) -> str:
    if item["suspended"]:
        return "suspended"
    return when(item["next"]) if item["next"] else item["schedule"] or "-"


def _notes(item: dict[str, Any]) -> list[str]:
    last, found = item["last"], []
    if item["running"]:
        found.append(f"running since {when(item['running'])}")
    elif item["waiting"]:
        found.append(f"waiting: {item['waiting']}")
    if last is not None and last["exit_code"] != 0 and last["message"]:
        text = " ".join(last["message"].split())
        found.append(text if len(text) <= SHOWN_TEXT else f"{text[: SHOWN_TEXT - 1]}\u2026")
    return found
