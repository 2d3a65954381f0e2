"""How the helper of `stream` reads a client: what it leaves out, and how it sends."""

from __future__ import annotations

import os
from typing import Any

from borgpull.borg.loading import LANES
from borgpull.jobs import Backup


def how(job: Backup) -> dict[str, Any]:
    """By the user's options, as the helper reads that."""
    skips = job.skips
    named = [os.fsencode(path).hex() for path in job.paths] if skips.one_file_system else None
    left_out = {
        "caches": skips.caches,
        "tags": [os.fsencode(tag).hex() for tag in skips.tags],
        "keep_tags": skips.keep_tags,
        "one_file_system": named,
    }
    lanes = LANES if job.limit_rate is None else 0
    return {"skips": left_out, "compress": job.compress_link, "lanes": lanes}
