"""What a restore drill has in a pod that no other job has."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from borgpull.errors import UsageError
from borgpull.launchers.needs import Needs, Scratch
from borgpull.renderers.kube.labels import common, meta
from borgpull.renderers.kube.names import dns_name
from borgpull.renderers.kube.settings import Settings
from borgpull.renderers.kube.text import Object
from borgpull.renderers.plan import CHECKS, REPORTS, Plan, require_checks_run

SCRATCH, REPORT, CHECKS_VOLUME = "scratch", "report", "checks"
CHECKS_KEY = "checks.yaml"


def comment(wanted: Needs) -> list[str]:
    """What the cluster's admin must know before it runs."""
    if wanted.scratch is None:
        return []
    return [
        "It is root in its container: the namespace must admit Pod Security baseline.",
        "A pod has an interface in any case, which the drill would refuse: hence --allow-network.",
        "The NetworkPolicy closes the way out, if the cluster's network plugin enforces policies.",
    ]


def words(plan: Plan, settings: Settings, folder: str = REPORTS) -> list[str]:
    """The words in the pod; the reports go to this folder.

    Raises UsageError for a drill that mounts: no overlay gives it what it needs. And for checks of
    a drill that restores a part.
    """
    found = list(plan.words)
    if plan.needs.scratch is not None:
        if plan.needs.mounts:
            raise UsageError("a drill in a pod cannot mount", hint="--how local, or another way")
        if settings.checks:
            require_checks_run(plan.job)
        found += [] if plan.needs.let_out else ["--allow-network"]
        found += ["--check", f"{CHECKS}/{CHECKS_KEY}"] if settings.checks else []
        found += ["--report", folder] if settings.report_claim else []
    return found


def checks(account: str, plans: Iterable[Plan], settings: Settings) -> dict[str, Object]:
    """The ConfigMap of the file of checks by the name of its file, if a drill has one."""
    if not settings.checks or all(plan.needs.scratch is None for plan in plans):
        return {}
    found = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": meta(_config_map(account, settings), common()),
        "immutable": True,
        "data": {CHECKS_KEY: settings.checks},
    }
    return {"checks": found}


def _config_map(account: str, settings: Settings) -> str:
    """Other checks have another name: a Job that runs keeps its own."""
    mark = hashlib.sha256(settings.checks.encode()).hexdigest()[:12]
    return dns_name(f"{account}-checks-{mark}")


def mounts(wanted: Scratch, reports: str, settings: Settings) -> list[Object]:
    """A new file system has a `lost+found`: so a folder of it is the empty one.

    `reports` is a folder of the claim, "" for all of it.
    """
    found: list[Object] = [{"name": SCRATCH, "mountPath": wanted.target, "subPath": SCRATCH}]
    if settings.report_claim:
        report: Object = {"name": REPORT, "mountPath": REPORTS}
        found.append({**report, "subPath": reports} if reports else report)
    if settings.checks:
        found.append({"name": CHECKS_VOLUME, "mountPath": CHECKS, "readOnly": True})
    return found


def volumes(account: str, settings: Settings) -> list[Object]:
    found: list[Object] = [{"name": SCRATCH, **_scratch(settings)}]
    if settings.report_claim:
        claim = {"claimName": settings.report_claim}
        found.append({"name": REPORT, "persistentVolumeClaim": claim})
    if settings.checks:
        found.append({"name": CHECKS_VOLUME, "configMap": {"name": _config_map(account, settings)}})
    return found


def _scratch(settings: Settings) -> Object:
    """Both kinds are gone with the pod."""
    if settings.scratch_class is None:
        return {"emptyDir": {"sizeLimit": settings.scratch_size}}
    claim: Object = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": settings.scratch_class,
        "resources": {"requests": {"storage": settings.scratch_size}},
    }
    return {"ephemeral": {"volumeClaimTemplate": {"spec": claim}}}
