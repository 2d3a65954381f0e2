"""What a comparison of an archive with the client tells."""

from __future__ import annotations

from typing import Any

# SFTP's times have a second's resolution.
CLOCK_SECONDS = 2
# Further findings of a kind are only counted: a client may have any number of them.
MAX_TOLD = 50_000

Finding = dict[str, Any]
