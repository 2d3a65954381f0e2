"""From objects to YAML: the same bytes each time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from borgpull.renderers.yamltext import dump

Object = dict[str, Any]  # of the cluster's API
Documents = list[tuple[Object, list[str]]]  # each with its comment
BASE = "base"


def document(found: Object, comment: Iterable[str] = ()) -> str:
    """An object as a document, below lines of comment."""
    return "".join(f"# {line}\n" for line in comment) + dump(found)


def stream(files: Mapping[str, str]) -> str:
    """The base alone as one stream, for `kubectl apply --filename -`."""
    found = [
        text
        for name, text in files.items()
        if name.startswith(f"{BASE}/") and not name.endswith("/kustomization.yaml")
    ]
    return "---\n".join(found)


def joined(found: Documents) -> str:
    return "---\n".join(document(*each) for each in found)


def base(texts: Mapping[str, str], comment: Iterable[str] = ()) -> dict[str, str]:
    """The files of the base; `texts` is by the name of the file, without its ending."""
    resources = [f"{name}.yaml" for name in texts]
    head = document(kustomization(resources=resources), comment)
    files = {f"{BASE}/{name}.yaml": text for name, text in texts.items()}
    return {f"{BASE}/kustomization.yaml": head, **files}


def kustomization(**fields: Any) -> Object:
    return {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", **fields}
