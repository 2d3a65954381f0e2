"""What scripts/survey.sh answers."""

from __future__ import annotations

HEAD = (
    "a greeting\nborgpull-user 0 root\nborgpull-capabilities 00000000a80425fb\n"
    "borgpull-state folder\nborgpull-writable yes\nborgpull-free 100 4096 50 20\nborgpull-names \n"
)
SAME = "81a4 5 100 0 7 1:{} root/domain users\n"
