"""What becomes of a pod that failed: the table of exit codes, as a Job reads it."""

from __future__ import annotations

from typing import Literal

from borgpull import errors
from borgpull.renderers.kube.text import Object

CONTAINER = "borgpull"  # the main one; the codes are its own
RETRIES = 2


def policy(action: Literal["FailJob", "FailIndex"]) -> Object:
    """A pod that the cluster takes away does not count. A code that no try cures ends the job."""
    return {
        "rules": [
            {
                "action": "Ignore",
                "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
            },
            {
                "action": action,
                "onExitCodes": {
                    "containerName": CONTAINER,
                    "operator": "NotIn",
                    "values": list(errors.retried()),
                },
            },
        ]
    }
