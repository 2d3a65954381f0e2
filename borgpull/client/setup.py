"""The first thing that happens on a client: look at it, and ready the one folder that is ours.

One command, one answer: over a slow link every other way costs more round trips. The scripts are
plain files beside this module, so that a shell checker can read them.
"""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources

from borgpull import signals
from borgpull.errors import BorgpullError, ClientUnsuitable, SudoRefused
from borgpull.ssh.session import Session

SETUP_SECONDS = 60.0
CLEANINGS = 3
# What a client may answer as its folder: it comes back in commands that the client runs.
_FOLDER = re.compile(r"/[A-Za-z0-9._/+-]{1,80}/borgpull-[0-9a-f]{16}")
_BORG = re.compile(r"borg(?:\.exe)? (\d+)\.(\d+)\.(\d+)\S* (/.+)")
# A forced command answers this to whatever is not its own protocol (`authorized.py`), and its borg.
FORCED = "borgpull-forced"


@dataclass(frozen=True)
class Facts:
    """What the client answered."""

    user: str = ""
    machine: str = ""  # "Linux x86_64"
    has: frozenset[str] = frozenset()
    ssh: str = ""  # what its own ssh says of its version
    connection: str = ""  # its SSH_CONNECTION: our address first
    borg: tuple[int, int, int] | None = None  # the version of its own borg
    borg_path: str = ""
    missing: tuple[int, ...] = ()  # which of the paths are not there, from 1
    folder: str = ""
    cache: bool = False
    runtime: str = ""  # the hash of the MANIFEST of a whole runtime that is there
    mounts: bytes = b""
    forced: bool = False
    forced_paths: tuple[str, ...] = ()


def script(name: str) -> str:
    return resources.files("borgpull.client").joinpath(name).read_text()


def setup(
    session: Session,
    identity: str,
    *,
    paths: Sequence[str],
    keep: bool,
    runtime: bool,
    borg: str | None,
    sudo: bool,
) -> Facts:
    """Ready the folder. Raises ClientUnsuitable, SudoRefused, ConnectionLost.

    `identity` is 16 hexadecimal digits; `runtime` says that programs of ours must run there.
    """
    words = [identity, yes(keep), yes(runtime), borg or "-", *paths]
    end = script("end.sh")
    scripts = f"{end}{script('look.sh')}{script('setup.sh')}"
    text = f"set -- {shlex.join(words)}\nborg=$4\n{scripts}"
    for name, content in {
        "run": script("run.sh"),
        "rsh": script("rsh.sh"),
        "tool": end + script("tool.sh"),
    }.items():
        text += f"cat >\"$chosen/{name}\" <<'BORGPULL-END'\n{content}BORGPULL-END\n"
    text += "say mounts\ncat /proc/self/mountinfo 2>/dev/null\n"
    done = session.run(
        *as_root(sudo),
        *_shell(identity),
        stdin=text.encode(errors="surrogateescape"),
        timeout=SETUP_SECONDS,
    )
    facts = read(done.stdout)
    if facts.forced:
        return facts
    if not facts.user:
        if sudo and "sudo" in done.stderr:
            raise sudo_refused(session)
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ClientUnsuitable(
            f"no shell answers on {session.config.target}: {last[:200]}",
            hint="use a key without a forced command, or the sshfs method, which needs no shell",
        )
    if not facts.folder:
        raise ClientUnsuitable(
            f"{session.config.target} has no folder for us that may hold programs",
            hint="it needs 70 MB in one of TMPDIR, /tmp, /var/tmp, /dev/shm or /run that is not "
            "mounted noexec; or name a borg of its own by --client-borg, or use sshfs",
        )
    return facts


def _shell(identity: str) -> tuple[str, str, str]:
    """A shell that shows whose it is: so `end` finds one that outlives its connection."""
    return ("sh", "-s", f"borgpull-{identity}/")


def sweep(session: Session, identity: str, *, keep: bool, sudo: bool) -> None:
    """Take back what an interrupted `setup` has done. Raises Interrupted; else the next run can."""
    text = f"set -- {identity} {yes(keep)}\n{script('end.sh')}{script('sweep.sh')}"
    argv = (*as_root(sudo), *_shell(identity))
    clean_up(lambda: session.run(*argv, stdin=text.encode(), timeout=SETUP_SECONDS).returncode)


def clean_up(clean: Callable[[], int]) -> None:
    """Clean up on the client, as far as it can be reached, by a command; `clean` has its exit code.

    What a signal has broken off here may go on there until the command ends it; and as it too ends
    what else runs for our folder, it may be first: so the command comes again. The signal is obeyed
    afterwards. Raises Interrupted.
    """

    def until_done() -> None:
        for _ in range(CLEANINGS):
            if clean() == 0:
                return

    with contextlib.suppress(BorgpullError):
        signals.to_its_end(until_done)


def as_root(sudo: bool) -> tuple[str, ...]:
    """-n: sudo must never ask for a password, which nobody could type."""
    return ("sudo", "-n", "--") if sudo else ()


def sudo_refused(session: Session) -> SudoRefused:
    user = session.config.target.user
    return SudoRefused(
        f"sudo on {session.config.target.host} refuses {user}",
        hint=f"put this line into /etc/sudoers.d/borgpull there (it makes {user} as good as root): "
        f"{user} ALL=(root) NOPASSWD: {SUDO_COMMAND}",
    )


# Whatever runs a shell as root can do anything: a narrower line would only look safer.
SUDO_COMMAND = "/bin/sh, /usr/bin/sh"


def yes(value: bool) -> str:
    return "yes" if value else "no"


def read(answer: bytes) -> Facts:
    """The client's answer; lines that are not ours (a profile's greeting) are passed over."""
    head, _, mounts = answer.partition(b"\nborgpull-mounts \n")
    found: dict[str, list[str]] = {}
    for line in head.decode(errors="surrogateescape").splitlines():
        word, _, text = line.partition(" ")
        if word.startswith("borgpull-"):
            found.setdefault(word.removeprefix("borgpull-"), []).append(text)
    one = {word: texts[-1] for word, texts in found.items()}
    borg = _BORG.fullmatch(one.get("borg", ""))
    folder = one.get("folder", "")
    return Facts(
        user=one.get("user", ""),
        machine=one.get("machine", ""),
        has=frozenset(found.get("has", ())),
        ssh=one.get("ssh", ""),
        connection=one.get("connection", ""),
        borg=(int(borg[1]), int(borg[2]), int(borg[3])) if borg else None,
        borg_path=borg[4] if borg else "",
        missing=tuple(int(text) for text in found.get("missing", ()) if text.isdecimal()),
        folder=folder if _FOLDER.fullmatch(folder) else "",
        cache="cache" in one,
        runtime=one.get("runtime", ""),
        mounts=mounts,
        forced="forced" in one,
        forced_paths=_words(one.get("forced", "")),
    )


def _words(text: str) -> tuple[str, ...]:
    """Words quoted for a shell; none where a client answers something else."""
    try:
        return tuple(shlex.split(text))
    except ValueError:
        return ()
