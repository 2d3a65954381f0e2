"""CronJobs, Jobs and pods, as far as we need them: from the API's JSON. Nothing in it is believed.

Any field may be missing, or be of another type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from borgpull.renderers.kube.failure import CONTAINER
from borgpull.renderers.kube.labels import CLIENT, CLIENTS, COMPONENT

INDEX = "batch.kubernetes.io/job-completion-index"
_DRY = "--dry-run"


@dataclass(frozen=True, kw_only=True)
class Thing:
    """What all three have."""

    namespace: str
    name: str
    verb: str
    clients: tuple[str, ...]  # of a shard, by index; empty for a shard's pod
    owner: str  # the CronJob of a Job, the Job of a pod; empty if there is none
    dry: bool  # it only says what would be done


@dataclass(frozen=True, kw_only=True)
class CronJob(Thing):
    schedule: str
    zone: str  # empty for the controller's own
    suspended: bool
    succeeded: datetime | None  # when its last good Job ended


@dataclass(frozen=True, kw_only=True)
class Job(Thing):
    started: datetime | None
    ended: datetime | None
    complete: bool
    failed: bool
    indexed: bool
    done: frozenset[int]  # indexes that ended well
    gave_up: frozenset[int]  # indexes that no pod is made for any more
    reason: str  # why it failed
    message: str


@dataclass(frozen=True, kw_only=True)
class Pod(Thing):
    index: int
    running: datetime | None  # since then
    waiting: str  # for what; empty if it does not wait
    exit_code: int | None  # null too if the pod failed before, or was evicted
    ended: datetime | None
    reason: str  # the cluster's word for its end
    message: str
    told: Mapping[str, Any]  # its own last word (outputs.ending); empty if there is none


def at(value: Any, *keys: str) -> Any:
    """What is below these keys; None if there is nothing."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def text(value: Any, *keys: str) -> str:
    found = at(value, *keys)
    return found if isinstance(found, str) else ""


def listed(value: Any, *keys: str) -> list[Any]:
    found = at(value, *keys)
    return found if isinstance(found, list) else []


def number(value: Any, *keys: str) -> int | None:
    found = at(value, *keys)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def moment(value: Any, *keys: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text(value, *keys))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def within(words: str, most: int) -> frozenset[int]:
    """The indexes of a Job's status, as in `0,3-5`; those below `most`."""
    found: set[int] = set()
    for first, last in re.findall(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", words):
        found.update(range(int(first), min(int(last or first), most - 1) + 1))
    return frozenset(found)


def cron_job(item: dict[str, Any]) -> CronJob:
    template = at(item, "spec", "jobTemplate", "spec", "template", "spec")
    return CronJob(
        **_thing(item, "", template),
        schedule=text(item, "spec", "schedule"),
        zone=text(item, "spec", "timeZone"),
        suspended=at(item, "spec", "suspend") is True,
        succeeded=moment(item, "status", "lastSuccessfulTime"),
    )


def job(item: dict[str, Any]) -> Job:
    thing, status = (
        _thing(item, "CronJob", at(item, "spec", "template", "spec")),
        at(item, "status"),
    )
    failed = _condition(status, "Failed")
    most = len(thing["clients"])
    complete = _condition(status, "Complete")
    return Job(
        **thing,
        started=moment(status, "startTime"),
        ended=moment(status, "completionTime") or moment(failed or complete, "lastTransitionTime"),
        complete=bool(complete),
        failed=bool(failed),
        indexed=text(item, "spec", "completionMode") == "Indexed",
        done=within(text(status, "completedIndexes"), most),
        gave_up=within(text(status, "failedIndexes"), most),
        reason=text(failed, "reason"),
        message=text(failed, "message"),
    )


def pod(item: dict[str, Any]) -> Pod:
    status = at(item, "status")
    state = _container(listed(status, "containerStatuses"))
    ended = at(state, "state", "terminated") or at(state, "lastState", "terminated")
    when = moment(ended, "finishedAt")
    if when is None and text(status, "phase") == "Failed":  # evicted, say, before it began
        when = moment(item, "metadata", "creationTimestamp")
    code = number(ended, "exitCode")
    said = text(ended, "message")
    told = last_word(said, code)
    index = text(item, "metadata", "annotations", INDEX)
    return Pod(
        **_thing(item, "Job", at(item, "spec")),
        index=int(index) if re.fullmatch(r"[0-9]{1,9}", index) else 0,
        running=moment(state, "state", "running", "startedAt"),
        waiting=_waiting(status, state),
        exit_code=code,
        ended=when,
        reason=text(status, "reason") or text(ended, "reason"),
        message=text(status, "message") or ("" if told else said),
        told=told,
    )


def last_word(said: str, code: int | None) -> dict[str, Any]:
    """What a command has written into its result file; empty if that is of another end."""
    try:
        found = json.loads(said)
    except (ValueError, RecursionError):
        return {}
    ours = isinstance(found, dict) and found.get("borgpull") == 1
    return found if ours and found.get("exit_code") == code else {}


def _thing(item: dict[str, Any], owner: str, template: Any) -> dict[str, Any]:
    meta = at(item, "metadata")
    owners = [one for one in listed(meta, "ownerReferences") if text(one, "kind") == owner]
    return {
        "namespace": text(meta, "namespace"),
        "name": text(meta, "name"),
        "verb": text(meta, "labels", COMPONENT),
        "clients": _clients(meta),
        "owner": text(owners[0], "name") if owners else "",
        "dry": any(_is_dry(one) for one in listed(template, "containers")),
    }


def _clients(meta: Any) -> tuple[str, ...]:
    """The true names are in annotations. A label may hold a name that was made valid."""
    if shard := re.findall(r"[^,\s]+", text(meta, "annotations", CLIENTS)):
        return tuple(shard)
    name = text(meta, "annotations", CLIENT) or text(meta, "labels", CLIENT)
    return (name,) if name else ()


def _is_dry(container: Any) -> bool:
    words = [*listed(container, "command"), *listed(container, "args")]
    names = [text(one, "name") for one in listed(container, "env")]
    return _DRY in words or "BORGPULL_DRY_RUN" in names


def _condition(status: Any, kind: str) -> Any:
    """A condition that is true; None if there is none."""
    for one in listed(status, "conditions"):
        if (text(one, "type"), text(one, "status")) == (kind, "True"):
            return one
    return None


def _container(statuses: list[Any]) -> Any:
    """The status of the main container, or of the only one."""
    named = [one for one in statuses if text(one, "name") == CONTAINER]
    only = statuses if len(statuses) == 1 else []
    return (named or only or [None])[0]


def _waiting(status: Any, state: Any) -> str:
    if text(status, "phase") != "Pending":
        return ""
    unplaced = [
        text(one, "reason")
        for one in listed(status, "conditions")
        if (text(one, "type"), text(one, "status")) == ("PodScheduled", "False")
    ]
    return text(state, "state", "waiting", "reason") or (unplaced or ["Pending"])[0] or "Pending"
