"""How the engine of `stream` ends, and the types of the lines that it alone tells. No borg is
loaded for them."""

from __future__ import annotations

# Exit codes that borg does not have.
HOSTILE, CUT, OTHER_BORG, DAMAGED = 200, 201, 202, 203
READ_LINE, SAVED_LINE = "borgpull_read", "borgpull_saved"
SKIPPED_LINE, READS_LINE = "borgpull_skipped", "borgpull_reads"
KEPT_PATHS = 20  # of files that were read, say: the first ones are enough for a result
LANES_LINE = "borgpull_lanes"  # more channels are wanted
