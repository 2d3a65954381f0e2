"""The last lines of a verb, for people: one function a verb, in one dict."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from borgpull.cli import drilled, kubetable
from borgpull.cli.text import age, mark, safe, size, table, when
from borgpull.results import Result
from borgpull.verbs import METHODS

# What the result of a verb is, in lines.
Summary = Callable[[Result], list[str]]


def summary(result: Result) -> list[str]:
    """Nothing for a verb that has shown all there is, or whose result holds an error only."""
    find = SUMMARIES.get(result.verb)
    return find(result) if find is not None and result.data else []


def _list(result: Result) -> list[str]:
    data = result.data
    if "archives" not in data:  # the items of one archive are printed already
        return []
    rows = [
        f"{safe(item['name']):<50} {when(item['time'])}{mark(item)}" for item in data["archives"]
    ]
    return [*rows, *(_vanished(item) for item in data["vanished"])] or ["no archives yet"]


def _vanished(item: dict[str, Any]) -> str:
    how = "VANISHED, another has its name or time" if item["replaced"] else "VANISHED"
    return f"{safe(item['name']):<50} {when(item['time'])}  {how}"


def _backup(result: Result) -> list[str]:
    data = result.data
    if data.get("dry_run"):
        return [f"dry run: {data['items']} items would be saved; nothing was written"]
    if "files_read" not in data:
        return []
    kinds = {"-": "files", "d": "folders", "l": "symlinks", "p": "FIFOs", "s": "sockets"}
    kinds |= {"b": "block devices", "c": "character devices", "h": "hard links"}
    items = ", ".join(f"{count} {kinds.get(kind, kind)}" for kind, count in data["items"].items())
    return [
        f"archive {safe(data['archive'])} is verified",
        f"  {items}; {size(data['bytes'])} of content",
        f"  read {data['files_read']} files, {data['files_unchanged']} unchanged",
        f"  {size(data['new_bytes'])} new in the repository; {data['seconds']:.1f} s",
    ]


def _restore(result: Result) -> list[str]:
    data = result.data
    dry = "dry run: nothing was written; " if data.get("dry_run") else ""
    done = f"{data['skipped']} files were right, {data['overwritten']} overwritten"
    items = f"{data['items']} items, {size(data['bytes'])}"
    lines = [f"{dry}{safe(data['archive'])} to {safe(data['to'])}: {items}; {done}"]
    lines += [f"  would be overwritten: {safe(path)}" for path in data["overwritten_paths"] if dry]
    return lines


def _browse(result: Result) -> list[str]:
    data = result.data
    if "path" in data:
        where = f"{safe(data['path'])} of {safe(data['archive'])}"
        return [f"{data['items']} items in {where}, {size(data['bytes'])}"]
    return [data["restore"]] if data.get("restore") else []


def _info(result: Result) -> list[str]:
    data = result.data
    stats = (data.get("cache") or {}).get("stats")
    content, stored = (
        (size(stats.get("total_size", 0)), size(stats.get("unique_csize", 0)))
        if stats
        else ("not known while a run uses the repository",) * 2
    )
    archives = data["archives"]
    odd = ("strangers", "not_known", "vanished")
    lost = "".join(
        f", {archives[kind]} {kind.replace('_', ' ').upper()}" for kind in odd if archives[kind]
    )
    return [
        f"client      {safe(result.client)}",
        f"repository  {safe(data['repository']['location'])}",
        f"encryption  {safe(data['encryption']['mode'])}",
        f"archives    {archives['verified']} verified, {archives['unverified']} unverified{lost}",
        f"latest      {safe(archives['latest'] or 'none')}",
        f"content     {content}",
        f"stored      {stored}",
    ]


def _init(result: Result) -> list[str]:
    return [f"the repository of {safe(result.client)} is ready ({result.data['encryption']})"]


def _trust(result: Result) -> list[str]:
    data = result.data
    return [f"pinned for {data['host']}: {safe(text)}" for text in data["pinned"]]


def _find(result: Result) -> list[str]:
    return [f"{result.data['found']} found in {result.data['archives']} archives"]


def _diff(result: Result) -> list[str]:
    return [f"{result.data['differences']} differences"]


def _acknowledge(result: Result) -> list[str]:
    data = result.data
    lines = [f"acknowledged: {_vanished(item)}" for item in data["acknowledged"]]
    lines += [f"{how}: {safe(name)}" for how in ("adopted", "deleted") for name in data[how]]
    if lifted := data.get("lifted"):
        lines.append(f"{_frozen(lifted['frozen'])}: accepted, {safe(lifted['reason'])}")
    return lines or ["nothing has vanished"]


def _prune(result: Result) -> list[str]:
    data = result.data
    gone = len(data["removed"])
    if data["dry_run"]:
        return [f"dry run: {gone} archives would go, {data['kept']} stay; nothing was written"]
    return [f"{gone} archives removed, {data['kept']} kept"]


def _repository_check(result: Result) -> list[str]:
    data = result.data
    read = "all data read" if data["verify_data"] else "data not read"
    return [f"whole: {data['archives']} archives, {data['verified']} of them verified; {read}"]


def _status(result: Result) -> list[str]:
    """A table in which a time that is too old has a `!`. Drills are in it if anybody drills."""
    if "jobs" in result.data:
        return kubetable.lines(result.data["jobs"])
    whats, clients = ["backup", "prune", "check"], result.data["clients"]
    if any(item["last_drill"] or item["drill"]["max_age"] is not None for item in clients):
        whats.append("drill")
    rows = [["CLIENT", *(what.upper() for what in whats), ""]]
    for item in clients:
        colour = "green" if item["ok"] else "red"
        goods = [_good(item[what]) for what in whats]
        notes = [] if item["repository"] else ["no repository"]
        notes += [safe(item["unreadable"])] if item["unreadable"] else []
        notes += [_frozen(item["frozen"])] if item["frozen"] else []
        notes += ["not guarded"] if item["guard"] == "not guarded" else []
        rows.append([safe(item["client"]), *goods, ", ".join([colour, *notes])])
    if len(rows) == 1:
        return ["no clients yet"]
    return table(rows)


def _frozen(item: dict[str, Any]) -> str:
    texts = "; ".join(safe(finding["text"]) for finding in item["findings"])
    return f"frozen since {when(item['since'])}, by {safe(item['archive'])}: {texts}"


def _good(item: dict[str, Any]) -> str:
    if item["time"] is None:
        return "never" if item["ok"] else "never !"
    text = f"{when(item['time'])} ({age(item['age'])})"
    return text if item["ok"] else f"{text} !"


def _drill(result: Result) -> list[str]:
    return drilled.lines(result.data)


def _demo(result: Result) -> list[str]:
    good, spoilt = (drilled.lines(result.data[which]) for which in ("good", "spoilt"))
    return ["a good backup", *good, "the same backup with one wrong bit", *spoilt]


def _drills(result: Result) -> list[str]:
    return drilled.history(result.data)


def _tidy(result: Result) -> list[str]:
    return [f"freed {safe(name)}" for name in result.data["freed"]] or ["nothing to tidy"]


def _doctor(result: Result) -> list[str]:
    marks = {True: "ok  ", False: "FAIL", None: "note"}
    return [line for item in result.data["checks"] for line in _check(marks[item["ok"]], item)]


def _check(mark: str, item: dict[str, Any]) -> list[str]:
    lines = [f"{mark} {item['name']}: {safe(item['text'])}"]
    return [*lines, f"     {safe(item['hint'])}"] if item["hint"] else lines


SUMMARIES: dict[str, Summary] = {
    **dict.fromkeys(METHODS, _backup),
    "restore": _restore,
    "browse": _browse,
    "find": _find,
    "diff": _diff,
    "init": _init,
    "list": _list,
    "info": _info,
    "acknowledge": _acknowledge,
    "prune": _prune,
    "check": _repository_check,
    "status": _status,
    "drill": _drill,
    "demo": _demo,
    "drills": _drills,
    "tidy": _tidy,
    "trust": _trust,
    "doctor": _doctor,
}
