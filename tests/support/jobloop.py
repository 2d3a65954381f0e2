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
    assert job["template"]["spec"]["restartPolicy"] == "Never", "the policy needs it"
    codes: list[int] = []
    failures = 0
    while True:
        ended = pod(len(codes))
        codes.append(ended.exit_code)
        if ended.exit_code == 0 and not ended.disrupted:
            return Outcome(True, "", tuple(codes))
        action = _action(job.get("podFailurePolicy", {"rules": []}), job, ended)
        if action == "FailJob":
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
