"""The Job controller, as far as a pod's exit code decides (kubernetes.io, "Pod failure policy")."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    succeeded: bool
    reason: str  # of the condition `Failed`
    codes: tuple[int, ...]  # of the pods that ran, in turn


@dataclass(frozen=True)
class Pod:
    """How a pod ended: its container's exit code, or what Kubernetes did to it."""

    exit_code: int
    disrupted: bool = False  # drained, preempted, evicted


def run(job: Mapping[str, Any], pod: Callable[[int], Pod]) -> Outcome:
    """Run pods until the Job is at its end; `pod` gets the number of those before it."""
    limit = job.get("backoffLimit", 6)
    return _until(job, limit, pod)


def run_indexed(job: Mapping[str, Any], pod: Callable[[int, int], Pod]) -> list[Outcome]:
    """The outcome of each index of an Indexed Job; `pod` gets the index, too.

    All indexes run to their own end: `maxFailedIndexes` must not cut them short.
    """
    assert job["completionMode"] == "Indexed"
    assert job["maxFailedIndexes"] >= job["completions"]
    limit = job["backoffLimitPerIndex"]

    def of(index: int) -> Outcome:
        return _until(job, limit, lambda number: pod(index, number))

    return [of(index) for index in range(job["completions"])]


def _until(job: Mapping[str, Any], limit: int, pod: Callable[[int], Pod]) -> Outcome:
    assert job["template"]["spec"]["restartPolicy"] == "Never", "the policy needs it"
    codes: list[int] = []
    failures = 0
    while True:
        ended = pod(len(codes))
        codes.append(ended.exit_code)
        if ended.exit_code == 0 and not ended.disrupted:
            return Outcome(True, "", tuple(codes))
        action = _action(job.get("podFailurePolicy", {"rules": []}), job, ended)
        if action in ("FailJob", "FailIndex"):
            return Outcome(False, "PodFailurePolicy", tuple(codes))
        if action == "Count":
            failures += 1
        if failures > limit:
            return Outcome(False, "BackoffLimitExceeded", tuple(codes))


def _action(policy: Mapping[str, Any], job: Mapping[str, Any], ended: Pod) -> str:
    """The action of the first rule that fits. Without one, a failed pod counts."""
    names = [container["name"] for container in job["template"]["spec"]["containers"]]
    for rule in policy["rules"]:
        if codes := rule.get("onExitCodes"):
            assert codes.get("containerName", names[0]) in names
            inside = ended.exit_code in codes["values"]
            fits = inside if codes["operator"] == "In" else not inside
            # A container that ended well is never looked at.
            if fits and ended.exit_code != 0:
                return str(rule["action"])
        for condition in rule.get("onPodConditions", []):
            if condition["type"] == "DisruptionTarget" and ended.disrupted:
                assert condition["status"] == "True"
                return str(rule["action"])
    return "Count"
