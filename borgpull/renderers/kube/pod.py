"""The template of the pods: what a job needs, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from borgpull.launchers.needs import Needs
from borgpull.places import certificate_of
from borgpull.renderers.kube import drills
from borgpull.renderers.kube.failure import CONTAINER
from borgpull.renderers.kube.settings import Settings
from borgpull.renderers.kube.text import Object

USER = 1000  # of the image
RESULT_FILE = "/dev/termination-log"
# Modes of the files of a Secret. ssh refuses a key of its own user that others may read. It asks
# nothing of a file of root: kubelet gives user 1000 the key by its group.
BY_GROUP, BY_ROOT = 0o440, 0o400
DATA, SECRETS, TMP, WORDS = "data", "secrets", "tmp", "words"
WORDS_FOLDER = "/run/words"


@dataclass(frozen=True, kw_only=True)
class Used:
    """The objects that a pod uses, by name."""

    image: str
    account: str
    secret: str
    claim: str
    words: str = ""  # a ConfigMap with the words of each index
    reports: str = ""  # the folder of a drill's reports in their claim; "" for all of it


def spec(wanted: Needs, args: Sequence[str], used: Used, settings: Settings) -> Object:
    """The spec of a pod. It passes Pod Security *restricted*, whatever the job mounts.

    But a drill's is *baseline*: it must be root.
    """
    return {
        "serviceAccountName": used.account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": wanted.stop_seconds,
        "securityContext": {
            **(_ROOT if wanted.root else _NOBODY),
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(wanted, args, used, settings)],
        "volumes": _volumes(wanted, used, settings),
    }


# fsGroup gives user 1000 the volumes and the key. Root needs it not.
_NOBODY: Object = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "fsGroup": USER,
    "fsGroupChangePolicy": "OnRootMismatch",
}
_ROOT: Object = {"runAsUser": 0, "runAsGroup": 0}


def _container(wanted: Needs, args: Sequence[str], used: Used, settings: Settings) -> Object:
    capabilities = {"add": list(wanted.capabilities)} if wanted.root else {}
    return {
        "name": CONTAINER,
        "image": used.image,
        "imagePullPolicy": "IfNotPresent",
        "args": list(args),
        "env": [{"name": "BORGPULL_RESULT_FILE", "value": RESULT_FILE}],
        "terminationMessagePath": RESULT_FILE,
        "terminationMessagePolicy": "File",
        "resources": {
            "requests": {"cpu": "100m", "memory": settings.memory_request},
            "limits": {"memory": settings.memory_limit},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"], **capabilities},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": _mounts(wanted, used, settings),
    }


def literal(word: str) -> str:
    """A word of a command line: kubelet puts variables in place of `$(NAME)`; `$$` is a `$`."""
    return word.replace("$", "$$")


def _mounts(wanted: Needs, used: Used, settings: Settings) -> list[Object]:
    found: list[Object] = []
    for folder in wanted.folders:
        mount: Object = {"name": DATA, "mountPath": folder.target, "subPath": folder.what}
        found.append({**mount, "readOnly": True} if folder.read_only else mount)
    if wanted.scratch is not None:
        found += drills.mounts(wanted.scratch, used.reports, settings)
    if wanted.secrets:
        found.append({"name": SECRETS, "mountPath": _secrets_folder(wanted), "readOnly": True})
    if used.words:
        found.append({"name": WORDS, "mountPath": WORDS_FOLDER, "readOnly": True})
    found.append({"name": TMP, "mountPath": "/tmp"})  # noqa: S108 - in the container
    return found


def _secrets_folder(wanted: Needs) -> str:
    (folder,) = {PurePosixPath(secret.target).parent for secret in wanted.secrets}
    return str(folder)


def _volumes(wanted: Needs, used: Used, settings: Settings) -> list[Object]:
    found: list[Object] = [{"name": DATA, "persistentVolumeClaim": {"claimName": used.claim}}]
    if wanted.scratch is not None:
        found += drills.volumes(used.account, settings)
    if wanted.secrets:
        items = [{"key": name, "path": name} for name in secret_keys(wanted)]
        source = {
            "secretName": used.secret,
            "defaultMode": BY_ROOT if wanted.root else BY_GROUP,
            "items": items,
            "optional": True,
        }
        found.append({"name": SECRETS, "secret": source})
    if used.words:
        found.append({"name": WORDS, "configMap": {"name": used.words}})
    found.append({"name": TMP, "emptyDir": {"medium": "Memory", "sizeLimit": settings.tmp_size}})
    return found


def secret_keys(wanted: Needs) -> list[str]:
    """The keys of the Secret that a job reads. Each may be missing."""
    found = []
    for secret in wanted.secrets:
        found.append(PurePosixPath(secret.target).name)
        if secret.certificate:
            found.append(PurePosixPath(certificate_of(secret.target)).name)
    return found
