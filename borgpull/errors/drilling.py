"""Errors of restore drills: what a drill is, if it is no pass."""

from __future__ import annotations

from borgpull.errors.base import BorgpullError


class RestoreDiffers(BorgpullError):
    exit_code = 90
    summary = "a drill found that the backup does not bring back what the client had"
    hint = "the findings name what differs; keep the older archives, and back up again"


class NotProved(BorgpullError):
    exit_code = 91
    summary = "a drill could not verify: something of it did not run, or too much is not provable"
    hint = "the backup may be good or bad: mend what is named, and drill again"


class OutsideLimits(BorgpullError):
    exit_code = 92
    summary = "a drill found the data too old, or the restore too slow, for the limits given"
    hint = "back up more often, or restore faster, or change --max-age, --max-restore-time"


class DrillFailed(BorgpullError):
    exit_code = 93
    summary = "a drill failed by itself: it left something behind, or could not write its report"
    hint = "remove what is named by hand, and drill again"
