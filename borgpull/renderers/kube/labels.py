"""What says whose an object is: the same labels on a CronJob, its Jobs and their pods."""

from __future__ import annotations

from borgpull.renderers.kube.names import label
from borgpull.renderers.kube.text import Object

COMPONENT = "app.kubernetes.io/component"
CLIENT = "borgpull-client"
CLIENTS = "borgpull-clients"  # of a shard, in the order of its indexes
NETWORK = "borgpull-network"  # which policy a pod is under, where several clients share one


def labels(verb: str, client: str) -> dict[str, str]:
    """Of what runs a verb for a client."""
    return {**common(), COMPONENT: verb, CLIENT: label(client)}


def common() -> dict[str, str]:
    return {"app.kubernetes.io/name": "borgpull"}


def meta(name: str, tags: dict[str, str], notes: dict[str, str] | None = None) -> Object:
    """The metadata of an object. The namespace is for kubectl or kustomize to say."""
    found: Object = {"name": name, "labels": dict(tags)}
    if notes:
        found["annotations"] = dict(notes)
    return found
