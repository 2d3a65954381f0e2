r"""The signed record of a drill, and what it is verified by.

ssh-keygen -Y verify -f allowed_signers -I borgpull -n borgpull-drill -s drill.json.sig <drill.json
"""

from __future__ import annotations

import base64
import hashlib

from borgpull.outputs.drills import Reported
from borgpull.ssh.signing import IDENTITY, NAMESPACE
from borgpull.state import drills

VERIFY = (
    f"ssh-keygen -Y verify -f allowed_signers -I {IDENTITY} -n {NAMESPACE} "
    "-s drill.json.sig < drill.json"
)


def render(report: Reported) -> bytes:
    """The very bytes that were signed."""
    return drills.record(report)


def signature(report: Reported) -> bytes:
    """Nothing if the drill could not be signed."""
    return report["signature"].encode()


def signers(report: Reported) -> bytes:
    """Nothing if the drill could not be signed."""
    return report["public_key"].encode() if report["signature"] else b""


def fingerprint(report: Reported) -> str:
    """Of the key, as `ssh-keygen -l` shows it; empty if the drill could not be signed."""
    for word in report["public_key"].split() if report["signature"] else ():
        if word.startswith("AAAA"):
            try:
                blob = base64.b64decode(word, validate=True)
            except ValueError:
                return ""
            digest = base64.b64encode(hashlib.sha256(blob).digest()).decode()
            return f"SHA256:{digest.rstrip('=')}"
    return ""
