"""The forms of words in manifests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Found = Iterator[str]
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|)")
_POWERS = {
    "m": 0.001,
    "": 1.0,
    **{unit: 1000.0**at for at, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": 1024.0**at for at, unit in enumerate("KMGTPE", 1)},
}


def title(document: dict[str, Any]) -> str:
    return f"{document['kind']}/{document['metadata']['name']}"


def is_label(text: str) -> bool:
    """A DNS label (RFC 1123)."""
    return bool(_LABEL.fullmatch(text))


def is_subdomain(text: str) -> bool:
    return bool(_SUBDOMAIN.fullmatch(text)) and len(text) <= 253


def is_value(text: str) -> bool:
    """The value of a label."""
    return isinstance(text, str) and bool(_VALUE.fullmatch(text))


def is_key(text: str) -> bool:
    """The key of a label or an annotation."""
    prefix, _, name = text.rpartition("/")
    return bool(name) and is_value(name) and (not prefix or is_subdomain(prefix))


def quantity(text: object) -> float | None:
    """An amount; None for what is none."""
    found = _QUANTITY.fullmatch(str(text))
    return float(found[1]) * _POWERS[found[2]] if found else None
