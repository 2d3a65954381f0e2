"""What is wrong with manifests that strict schemas let pass: small rules, each yields findings.

The API server refuses most of it, some of it does harm later. `restricted` has the rules of Pod
Security. `check` has all others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from tests.support.kubechecks import batch, objects, pods, together
from tests.support.kubechecks.forms import title

RULES = (*objects.RULES, *batch.RULES)


def check(documents: list[dict[str, Any]], outside: Collection[str] = ()) -> list[str]:
    """What is wrong with these objects, which are applied together.

    `outside` names objects that are there already, as `KIND/NAME`.
    """
    found = [
        f"{title(document)}: {finding}"
        for document in documents
        for rule in RULES
        for finding in rule(document)
    ]
    for document, spec, job in templates(documents):
        found += [
            f"{title(document)}: {finding}"
            for rule in pods.RULES
            for finding in rule(spec, bool(job.get("completionMode") == "Indexed"))
        ]
    return found + [text for rule in together.RULES for text in rule(documents, outside)]


def templates(
    documents: list[dict[str, Any]],
) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """Each CronJob with the spec of its pods and the spec of its Job."""
    for document in documents:
        if document["kind"] == "CronJob":
            job = document["spec"]["jobTemplate"]["spec"]
            yield document, job["template"]["spec"], job
