"""The beginning of a backup: its private folder, and the connection to the client.

Nothing is imported here that they do not need: the rest comes in while ssh connects.
"""

from __future__ import annotations

import contextlib

from borgpull import jobs
from borgpull.events import Emit
from borgpull.ops.private import private_folder
from borgpull.results import Result
from borgpull.verbs import VERBS


def run(job: jobs.Backup, emit: Emit) -> Result:
    """Back a client up. Raises as `backup.run`."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(private_folder())
        if VERBS[job.verb].ahead:
            from borgpull.ssh.ahead import ahead

            stack.enter_context(ahead(job, folder))
        from borgpull.ops import backup

        return backup.run(job, folder, emit)
