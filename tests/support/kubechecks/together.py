"""Rules for objects that are applied together: what one names, another must be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

from tests.support.kubechecks.forms import Found, title

Documents = list[dict[str, Any]]
ALIKE = ("app.kubernetes.io/name", "app.kubernetes.io/component")


def once(documents: Documents, outside: Collection[str]) -> Found:
    for name, times in Counter(title(document) for document in documents).items():
        if times > 1:
            yield f"{name} is there {times} times"


def references(documents: Documents, outside: Collection[str]) -> Found:
    there = {title(document) for document in documents} | set(outside)
    for document in _crons(documents):
        spec = document["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        wanted = [f"ServiceAccount/{spec.get('serviceAccountName')}"]
        for volume in spec.get("volumes", []):
            if claim := volume.get("persistentVolumeClaim"):
                wanted.append(f"PersistentVolumeClaim/{claim['claimName']}")
            if config := volume.get("configMap"):
                wanted.append(f"ConfigMap/{config['name']}")
        for name in wanted:
            if name not in there:
                yield f"{title(document)}: there is no {name}"


def words(documents: Documents, outside: Collection[str]) -> Found:
    """Each index has its words."""
    maps = {
        document["metadata"]["name"]: document
        for document in documents
        if document["kind"] == "ConfigMap"
    }
    for document in _crons(documents):
        job = document["spec"]["jobTemplate"]["spec"]
        for volume in job["template"]["spec"].get("volumes", []):
            name = volume.get("configMap", {}).get("name", "")
            keys = {str(at) for at in range(job.get("completions", 0))}
            shared = volume["name"] != "words"
            if name in maps and not shared and set(maps[name]["data"]) != keys:
                yield f"{title(document)}: indexes and the words in {name} differ"
            if name in maps and maps[name].get("immutable") is not True:
                yield f"{title(document)}: the words of a run may change during it"


def labels(documents: Documents, outside: Collection[str]) -> Found:
    """The CronJob, its Jobs and their pods say the same of themselves."""
    for document in _crons(documents):
        job = document["spec"]["jobTemplate"]
        three = [
            node.get("metadata", {}).get("labels", {})
            for node in (document, job, job["spec"]["template"])
        ]
        if any(one != three[0] for one in three):
            yield f"{title(document)}: its labels are not those of its Jobs and pods"
        for key in ALIKE:
            if key not in three[0]:
                yield f"{title(document)}: no label {key}"


def selectors(documents: Documents, outside: Collection[str]) -> Found:
    """A policy or a Service that selects no pod does nothing; each pod needs a policy."""
    pods = {
        title(document): document["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"]
        for document in _crons(documents)
    }
    under: set[str] = set()
    for document in documents:
        if document["kind"] == "NetworkPolicy":
            selector = document["spec"]["podSelector"].get("matchLabels", {})
        elif document["kind"] == "Service":
            selector = document["spec"].get("selector", {})
        else:
            continue
        found = {name for name, tags in pods.items() if selector.items() <= tags.items()}
        if not found:
            yield f"{title(document)}: selects no pod"
        under |= found if document["kind"] == "NetworkPolicy" else set()
    for name in sorted(set(pods) - under):
        yield f"{name}: its pods are under no policy"


def _crons(documents: Documents) -> Documents:
    return [document for document in documents if document["kind"] == "CronJob"]


RULES = (once, references, words, labels, selectors)
