"""Where this process runs. Each container asks first, so nothing is imported for it."""

from __future__ import annotations

import os

IN_SIDECAR = "BORGPULL_SIDECAR"


def in_sidecar() -> bool:
    """Does this process run in the image?"""
    return bool(os.environ.get(IN_SIDECAR))
