"""The keeper: in the container, a parent that outlives a killed command and tidies up after it.

SIGKILL leaves the command no time to free borg's lock, and tini ends the container with it. So the
command runs as a child of this process, which passes signals on, and exits as the child did. It
kills a child that a signal does not end within signals.END_SECONDS (a file system hangs, say).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from types import FrameType

from borgpull.descendants import descendants
from borgpull.signals import CAUGHT, END_SECONDS

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h: the command's orphans become our children, not tini's
_END_SECONDS = 5.0


def keep() -> None:
    """Returns in the child, which is to do the work; the parent ends here, with its exit code."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = os.fork()
    if child == 0:
        return

    passed: list[int] = []

    def pass_on(signum: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signum)
        if not passed:
            signal.setitimer(signal.ITIMER_REAL, END_SECONDS)
        passed.append(signum)

    def end(_signum: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)

    signal.signal(signal.SIGALRM, end)
    for signum in CAUGHT:
        signal.signal(signum, pass_on)
    _, status = os.waitpid(child, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGKILL:
        _end_orphans()
        _tidy()
        code = -passed[0] if passed else code
    if code < 0:
        code = 128 - code
        with contextlib.suppress(Exception):  # whatever fails, as in _tidy
            from borgpull.cli import resultfile

            resultfile.killed(code)
    os._exit(code)


def _end_orphans() -> None:
    """ssh and `borg serve` outlive the command, and would write on without its lock."""
    deadline = time.monotonic() + _END_SECONDS
    while (left := descendants(os.getpid())) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _tidy() -> None:
    # Whatever fails, a failed import for want of memory too: the exit code comes after this.
    with contextlib.suppress(Exception):
        from borgpull.events import silent
        from borgpull.jobs import Tidy
        from borgpull.ops import tidy
        from borgpull.places import Places

        inside = Places()
        places = Places(
            repo=os.environ.get("BORGPULL_REPO", inside.repo),
            state=os.environ.get("BORGPULL_STATE", inside.state),
        )
        tidy.run(Tidy(places=places), silent)
