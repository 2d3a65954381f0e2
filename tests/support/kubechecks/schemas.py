"""The API's own schemas, strict: a field that is not known is an error."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]

VERSIONS = ("1.29", "1.33", "1.37")
# Not the cluster's: what kustomize itself reads.
OURS = "Kustomization"


def strict(documents: Iterable[dict[str, Any]], *versions: str) -> list[str]:
    """What the schemas of these versions (or of all that we look at) refuse."""
    found = []
    for document in documents:
        for version in versions or VERSIONS:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                found.append(f"{version}: {document.get('kind')}: {error.message}")
            except (kubernetes_validate.SchemaNotFoundError, KeyError) as error:
                found.append(f"{version}: no schema: {error}")
    return found
