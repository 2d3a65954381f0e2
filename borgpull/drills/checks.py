"""The user's checks of a restored tree: commands that must succeed there."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from borgpull import asking
from borgpull.asking import MAX_OUTPUT
from borgpull.events import Emit
from borgpull.jobs import DrillCheck
from borgpull.outputs.drills import Checked, Outcome
from borgpull.process import CommandError, Completed, TooMuchOutput, run

_SHOWN = 4096  # characters
# What a shell says of a command that it cannot run, or that a signal has ended (sh(1)).
_NOT_RUN = {126: "it may not be run", 127: "there is no such program"}
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What starts the shell, when it cannot. The shell's own words are in the output.
_STARTERS = ("env: ", "chroot: ", "setpriv: ")
# Usual devices, which programs need and archives mostly lack: name, mode, number (null(4)).
_DEVICES = {
    "null": (0o666, 1, 3),
    "zero": (0o666, 1, 5),
    "full": (0o666, 1, 7),
    "random": (0o666, 1, 8),
    "urandom": (0o666, 1, 9),
    "tty": (0o666, 5, 0),
}


def run_all(root: Path, checks: tuple[DrillCheck, ...], emit: Emit) -> Iterator[Checked]:
    """Run them one after the other. What one has started ends with it.

    `root` is the folder of the tree in a private folder in the scratch folder.
    """
    if checks:
        devices(root)
    for number, check in enumerate(checks):
        begun = time.monotonic()
        if check.image is None:
            outcome, detail, output = _run(root, check)
        else:
            outcome, detail, output = _run_elsewhere(root, number, check, emit)
        yield _told(check, outcome, detail, time.monotonic() - begun, output)


def of_a_part(checks: tuple[DrillCheck, ...]) -> Iterator[Checked]:
    """None is run: what a check misses may be in another part, and its no would mean nothing."""
    for check in checks:
        yield _told(check, "could not verify", "only a part was restored: leave --sample out")


def _told(
    check: DrillCheck, outcome: Outcome, detail: str, seconds: float = 0.0, output: str = ""
) -> Checked:
    return {
        "name": check.name,
        "command": check.run,
        "user": check.user,
        "image": check.image,
        "outcome": outcome,
        "seconds": round(seconds, 3),
        "detail": detail,
        "output": output[-_SHOWN:],
    }


def devices(root: Path) -> None:
    """Make the usual devices in the folder `dev` of a restored root, where it lacks them."""
    folder = root / "dev"
    with contextlib.suppress(OSError):  # mostly, an archive is without it
        folder.mkdir(mode=0o755)
    if not folder.is_dir() or folder.is_symlink():
        return
    for name, (mode, major, minor) in _DEVICES.items():
        path = folder / name
        with contextlib.suppress(OSError):
            os.mknod(path, stat.S_IFCHR | mode, os.makedev(major, minor))
            path.chmod(mode)


def _run(root: Path, check: DrillCheck) -> tuple[Outcome, str, str]:
    environment = ["env", "-i", f"PATH={_PATH}", "HOME=/", "LC_ALL=C.UTF-8"]
    shell = ["/bin/sh", "-c", f"exec 2>&1\n{check.run}"]
    if check.chroot:
        argv = [*environment, "chroot", f"--userspec={check.user}", str(root), *shell]
    else:
        environment.append(f"BORGPULL_RESTORED={root}")
        argv = [*environment, "setpriv", "--reuid", check.user, "--clear-groups", *shell]
        if check.user == "root":
            argv = [*environment, *shell]
    try:
        done = run(argv, timeout=check.timeout, check=False, max_output=MAX_OUTPUT)
    except TooMuchOutput:
        return "could not verify", f"it printed more than {MAX_OUTPUT} bytes", ""
    except CommandError as error:
        return "could not verify", str(error), ""
    finally:
        end_within(root)
    return _judged(check, done)


def _run_elsewhere(
    root: Path, number: int, check: DrillCheck, emit: Emit
) -> tuple[Outcome, str, str]:
    """In a container of the check's image, which the launcher starts."""
    if not asking.possible():
        why = "no container can start another one: drill by the command of the host"
        return "could not verify", why, ""
    with passable(root) if check.user != "root" else contextlib.nullcontext():
        folder = f"{root.parent.name}/{root.name}"
        answer = asking.ask(emit, number, folder, check.timeout)
    if answer.left:
        return "error", f"{answer.left} could not be removed", answer.output
    if answer.code is None:
        return "could not verify", answer.why or "it has no exit code", answer.output
    return _judged(check, Completed(answer.code, answer.output.encode(), ""))


@contextlib.contextmanager
def passable(root: Path) -> Iterator[None]:
    """Let other users than root get to the tree, through the two private folders above it.

    They cannot list these. So nobody else finds the way, as its name is a random one. Afterwards
    the same folders get their modes back, whatever has their names by then.
    """
    with contextlib.ExitStack() as undo:
        for folder in root.parents[:2]:
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            undo.callback(os.close, fd)
            mode = os.fstat(fd).st_mode & 0o7777
            undo.callback(os.fchmod, fd, mode)
            os.fchmod(fd, mode | 0o011)
        yield


def _judged(check: DrillCheck, done: Completed) -> tuple[Outcome, str, str]:
    output = done.stdout.decode(errors="replace")
    code = done.returncode
    if done.stderr.startswith(_STARTERS):  # whatever the code, and whatever was expected
        return "could not verify", f"it cannot be run: {done.stderr.strip()[-300:]}", output
    if code != check.expect:
        if code in _NOT_RUN:
            return "could not verify", f"{_NOT_RUN[code]}: {output.strip()[-300:]}", output
        if code < 0 or code > 128:
            number = -code if code < 0 else code - 128
            return "could not verify", f"signal {number} has ended it", output
        return "differs", f"it ended with {code}, not with {check.expect}", output
    if check.output is not None and not re.search(check.output, output, re.MULTILINE):
        return "differs", f"its output has no {check.output!r}", output
    return "pass", "", output


def end_within(root: Path) -> None:
    """End all processes whose root is the restored tree: servers that a check has started."""
    there = root.resolve()
    for _ in range(100):
        found = [pid for pid in _pids() if _root_of(pid).is_relative_to(there)]
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _root_of(pid: int) -> Path:
    try:
        return Path(f"/proc/{pid}/root").readlink()
    except OSError:  # it has ended
        return Path("/")
