"""What a job that mounts by FUSE needs beside the base, which the namespace must allow."""

from __future__ import annotations

from collections.abc import Sequence

from borgpull.renderers.kube.failure import CONTAINER
from borgpull.renderers.kube.labels import COMPONENT
from borgpull.renderers.kube.pod import BY_ROOT, SECRETS
from borgpull.renderers.kube.settings import Settings
from borgpull.renderers.kube.text import Object, document, kustomization
from borgpull.renderers.plan import Plan

LABEL = "pod-security.kubernetes.io/enforce=privileged"


def overlays(plans: Sequence[Plan], settings: Settings) -> dict[str, str]:
    """The files of both overlays on the jobs that mount; none if no job does."""
    verbs = sorted({plan.job.verb for plan in plans if plan.needs.mounts})
    return _overlays(f"{COMPONENT} in ({', '.join(verbs)})", settings) if verbs else {}


def _overlays(which: str, settings: Settings) -> dict[str, str]:
    resource = settings.fuse_resource
    allowed = f"and the namespace's label {LABEL}"
    plugin = [
        f"Needs a device plugin that offers {resource}, {allowed}",
        "The container is root with SYS_ADMIN. Kubernetes 1.30 or newer is needed.",
    ]
    userns = [
        f"Needs Kubernetes 1.36 and a device plugin that offers {resource}, {allowed}",
        "Root and SYS_ADMIN are those of the pod's own user namespace, which sees few ids.",
        "There a job ends with 51, as it would save the owners that it does not see as 65534.",
    ]
    return {
        **_files("sshfs-device-plugin", which, plugin, _patch(resource)),
        **_files("sshfs-userns", which, userns, _patch(resource, hostUsers=False)),
    }


def _files(overlay: str, which: str, comment: list[str], patch: Object) -> dict[str, str]:
    patches = [{"path": "cronjob.yaml", "target": {"kind": "CronJob", "labelSelector": which}}]
    head = kustomization(resources=["../../base"], patches=patches)
    folder = f"overlays/{overlay}"
    return {
        f"{folder}/kustomization.yaml": document(head, comment),
        f"{folder}/cronjob.yaml": document(patch),
    }


def _patch(resource: str, **more: object) -> Object:
    """A strategic merge: `None` takes a field away.

    ssh refuses root a key that a group may read, so no fsGroup gives it to one. AppArmor's usual
    profile refuses mounts. All else that a container of root has by default, stays.
    """
    container: Object = {
        "name": CONTAINER,
        "resources": {"requests": {resource: "1"}, "limits": {resource: "1"}},
        "securityContext": {
            "capabilities": {"drop": None, "add": ["SYS_ADMIN"]},
            "readOnlyRootFilesystem": False,
        },
    }
    pod: Object = {
        **more,
        "securityContext": {
            "runAsNonRoot": False,
            "runAsUser": 0,
            "runAsGroup": 0,
            "fsGroup": None,
            "fsGroupChangePolicy": None,
            "appArmorProfile": {"type": "Unconfined"},
        },
        "containers": [container],
        "volumes": [{"name": SECRETS, "secret": {"defaultMode": BY_ROOT}}],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "each"},  # the target says which
        "spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}},
    }
