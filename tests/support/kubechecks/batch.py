"""Rules for CronJobs and Jobs."""

from __future__ import annotations

import functools
import zoneinfo
from datetime import UTC, datetime
from typing import Any

from cronsim import CronSim, CronSimError

from tests.support.kubechecks.forms import Found
from tests.support.kubecron import matches

POLICIES = {"Allow", "Forbid", "Replace"}
ACTIONS = {"FailJob", "FailIndex", "Ignore", "Count"}


@functools.cache
def _zones() -> set[str]:
    """They are looked for in folders, which takes its time."""
    return zoneinfo.available_timezones()


def _of_cron(document: dict[str, Any]) -> dict[str, Any]:
    return dict(document["spec"]) if document["kind"] == "CronJob" else {}


def _of_job(document: dict[str, Any]) -> dict[str, Any]:
    return dict(_of_cron(document).get("jobTemplate", {}).get("spec", {}))


def schedule(document: dict[str, Any]) -> Found:
    spec = _of_cron(document)
    if not spec:
        return
    try:
        if len(spec["schedule"].split()) != 5 or "TZ=" in spec["schedule"]:
            raise CronSimError("five fields are needed, the zone has its own")
        next(CronSim(spec["schedule"], datetime(2027, 1, 1, tzinfo=UTC)))
        matches(spec["schedule"], datetime(2027, 1, 1))
    except (CronSimError, StopIteration, ValueError) as error:
        yield f"no schedule: {spec['schedule']!r}: {error}"
    zone = spec.get("timeZone", "")
    if zone not in _zones():
        yield f"no time zone: {zone!r}"


def at_a_time(document: dict[str, Any]) -> Found:
    spec = _of_cron(document)
    if not spec:
        return
    policy = spec.get("concurrencyPolicy", "Allow")
    if policy not in POLICIES:
        yield f"no concurrencyPolicy: {policy!r}"
    elif policy != "Forbid":
        yield f"two runs of a client at once: {policy}"
    if spec.get("startingDeadlineSeconds", 0) < 10:  # the controller looks every 10 s
        yield "without startingDeadlineSeconds, 100 missed starts are the last ones"
    for key in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        if not 1 <= spec.get(key, 1) <= 10:
            yield f"{key} hides what happened, or fills the cluster"


def limits(document: dict[str, Any]) -> Found:
    spec = _of_job(document)
    if not spec:
        return
    if spec.get("activeDeadlineSeconds", 0) <= 0:
        yield "a Job without activeDeadlineSeconds may hang for ever"
    if "ttlSecondsAfterFinished" in spec:
        yield "below a CronJob, ttlSecondsAfterFinished takes the history away"
    for key in ("backoffLimit", "backoffLimitPerIndex"):
        if not 0 <= spec.get(key, 0) <= 10:
            yield f"{key}: {spec[key]}"
    if not {"backoffLimit", "backoffLimitPerIndex"} & set(spec):
        yield "no limit to retries is said"


def indexed(document: dict[str, Any]) -> Found:
    spec = _of_job(document)
    mode = spec.get("completionMode", "NonIndexed")
    if mode not in ("Indexed", "NonIndexed"):
        yield f"no completionMode: {mode!r}"
    per_index = {"backoffLimitPerIndex", "maxFailedIndexes"} & set(spec)
    if per_index and mode != "Indexed":
        yield f"without indexes there is no {sorted(per_index)}"
    if "maxFailedIndexes" in spec and "backoffLimitPerIndex" not in spec:
        yield "maxFailedIndexes needs backoffLimitPerIndex"
    if mode != "Indexed":
        return
    number = spec.get("completions", 0)
    if number < 1:
        yield "an Indexed Job needs completions"
    if not 1 <= spec.get("parallelism", 1) <= number:
        yield f"parallelism {spec['parallelism']} of {number}"
    if spec.get("maxFailedIndexes") != number:
        yield "one client's failure ends those of others"


def failures(document: dict[str, Any]) -> Found:
    """podFailurePolicy, as the API server checks it."""
    spec = _of_job(document)
    if not spec:
        return
    rules = spec.get("podFailurePolicy", {}).get("rules", [])
    if not rules:
        yield "no exit code ends the Job"
        return
    pod = spec["template"]["spec"]
    if pod.get("restartPolicy") != "Never":
        yield "podFailurePolicy needs restartPolicy Never"
    names = {container["name"] for container in pod["containers"]}
    for rule in rules:
        if rule.get("action") not in ACTIONS:
            yield f"no action: {rule.get('action')!r}"
        if rule.get("action") == "FailIndex" and "backoffLimitPerIndex" not in spec:
            yield "FailIndex needs backoffLimitPerIndex"
        if len({"onExitCodes", "onPodConditions"} & set(rule)) != 1:
            yield "a rule needs exit codes or conditions, not both"
        yield from _codes(rule.get("onExitCodes"), names)
        for condition in rule.get("onPodConditions") or []:
            if condition.get("status") not in ("True", "False", "Unknown"):
                yield f"no status of a condition: {condition.get('status')!r}"
    if rules[0].get("action") != "Ignore" or not rules[0].get("onPodConditions"):
        yield "a pod that is taken away counts as failed: the rule for it must be the first"


def _codes(codes: dict[str, Any] | None, names: set[str]) -> Found:
    if codes is None:
        return
    values = codes.get("values", [])
    if codes.get("operator") not in ("In", "NotIn"):
        yield f"no operator: {codes.get('operator')!r}"
    if not values or len(values) > 255 or sorted(set(values)) != values:
        yield f"exit codes must be some, sorted, each once: {values}"
    if any(not 0 <= code <= 255 for code in values):
        yield f"no exit codes: {values}"
    if codes.get("operator") == "In" and 0 in values:
        yield "0 is no failure"
    if codes.get("containerName") not in names:
        yield f"no container is called {codes.get('containerName')!r}"


RULES = (schedule, at_a_time, limits, indexed, failures)
