"""borgpull: a backup server pulls borg archives of its clients, safe to run from cron."""

from __future__ import annotations

__version__ = "0.1.0"
