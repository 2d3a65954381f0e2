"""What a run says of each fault on a client: one table, for the tests and for docs/faults.md.

`python -m tests.support.faults > docs/faults.md` makes the page anew.
"""

from __future__ import annotations

from dataclasses import dataclass

METHODS = ("sshfs", "pipe", "stream")
# Of stream; `python` is the column `stream`.
READERS = ("sftp", "find", "busybox")


@dataclass(frozen=True)
class Outcome:
    """The exit code, and where the fault is told: `message`, a key of the result, or nowhere."""

    code: int
    where: str = ""

    def text(self) -> str:
        if self.where == "message":
            return f"{self.code}: the message names it"
        if self.where:
            return f"{self.code}: `{self.where}` has it"
        return f"{self.code}: nothing is lost"


@dataclass(frozen=True)
class Fault:
    what: str
    sshfs: Outcome
    pipe: Outcome
    stream: Outcome
    sftp: Outcome
    find: Outcome
    busybox: Outcome
    file: str = ""  # which file is told, below the fault's folder
    user: str = "root"
    note: str = ""

    def outcome(self, column: str) -> Outcome:
        """`column` is one of METHODS or of READERS."""
        found: Outcome = getattr(self, column)
        return found


SAVED = Outcome(0)

FAULTS = {
    "cut": Fault(
        "a file whose disk fails in its middle, with a name that is no UTF-8 and a time to come",
        Outcome(62, "message"),
        Outcome(60, "message"),
        Outcome(60, "message"),
        sftp=Outcome(60, "message"),
        find=Outcome(60, "message"),
        busybox=Outcome(60, "message"),
        file="eio-cut",
    ),
    "eio": Fault(
        "a file that cannot be read at all (EIO)",
        Outcome(62, "message"),
        Outcome(60, "message"),
        Outcome(60, "message"),
        sftp=Outcome(60, "message"),
        find=Outcome(60, "message"),
        busybox=Outcome(60, "message"),
        file="eio-all",
    ),
    "vanished": Fault(
        "files that are deleted after their folder was listed",
        Outcome(0, "vanished"),
        Outcome(0, "vanished"),
        Outcome(0, "vanished"),
        sftp=Outcome(0, "vanished"),
        find=Outcome(0, "vanished"),
        busybox=Outcome(0, "vanished"),
        file="victim",
    ),
    "symlink": Fault(
        "a file that is replaced by a symlink after its folder was listed",
        Outcome(0, "changed"),
        SAVED,
        SAVED,
        sftp=Outcome(60, "message"),
        find=Outcome(60, "message"),
        busybox=Outcome(60, "message"),
        file="victim",
        note="SFTP's server follows the link; borg on the client saves it as a link",
    ),
    "permission": Fault(
        "a file that the user on the client may not read",
        Outcome(61, "message"),
        Outcome(61, "message"),
        Outcome(61, "message"),
        sftp=Outcome(61, "message"),
        find=Outcome(61, "message"),
        busybox=Outcome(61, "message"),
        file="secret",
        user="alice",
    ),
    "unreadable": Fault(
        "a folder that the user on the client may not list",
        Outcome(61, "message"),
        Outcome(61, "message"),
        Outcome(61, "message"),
        sftp=Outcome(61, "message"),
        find=Outcome(60, "message"),
        busybox=Outcome(60, "message"),
        file="secret",
        user="alice",
    ),
    "blind": Fault(
        "a folder that the user may list, but not look into",
        Outcome(60, "message"),
        Outcome(61, "message"),
        Outcome(61, "message"),
        sftp=Outcome(60, "message"),
        find=Outcome(60, "message"),
        busybox=Outcome(60, "message"),
        file="list-only",
        user="alice",
    ),
    "walk": Fault(
        "a `find` of the client that breaks off",
        Outcome(64, "message"),
        SAVED,
        SAVED,
        sftp=Outcome(64, "message"),
        find=Outcome(60, "message"),
        busybox=Outcome(60, "message"),
        note="borg on the client and the reader `python` need none",
    ),
    "name": Fault(
        "a name that is no UTF-8", SAVED, SAVED, SAVED, sftp=SAVED, find=SAVED, busybox=SAVED
    ),
    "long": Fault(
        "paths of 4,096 bytes and more",
        Outcome(60, "message"),
        SAVED,
        SAVED,
        sftp=Outcome(60, "message"),
        find=Outcome(60, "message"),
        busybox=Outcome(60, "message"),
        file=200 * "0",  # the name that its folders have
        note="SFTP cannot name them",
    ),
    "mount": Fault(
        "a mount of memory (tmpfs) below a named path",
        Outcome(0, "left_out"),
        Outcome(0, "left_out"),
        Outcome(0, "left_out"),
        sftp=Outcome(0, "left_out"),
        find=Outcome(0, "left_out"),
        busybox=Outcome(0, "left_out"),
        file="inside",
        note="with a warning, but in /run, /tmp, /var/tmp and /dev",
    ),
    "dead": Fault(
        "a dead mount of a kind that is saved (its daemon has ended: mergerfs, bindfs …)",
        Outcome(60, "message"),
        Outcome(60, "message"),
        Outcome(60, "message"),
        sftp=Outcome(60, "message"),
        find=Outcome(60, "message"),
        busybox=Outcome(60, "message"),
        file="dead",
    ),
    "hard-link": Fault(
        "two names of one file",
        Outcome(0, "losses.hard_links"),
        SAVED,
        SAVED,
        sftp=Outcome(0, "losses.hard_links"),
        find=SAVED,
        busybox=SAVED,
        note="by SFTP each is saved as a file of its own",
    ),
    "changed": Fault(
        "a file that is rewritten in place while it is read",
        Outcome(0, "changed"),
        Outcome(0, "changed"),
        Outcome(0, "changed"),
        sftp=Outcome(0, "changed"),
        find=Outcome(0, "changed"),
        busybox=Outcome(0, "changed"),
        file="hold",
    ),
    "clock": Fault(
        "times of 1901 and 2100",
        Outcome(0, "losses.times"),
        Outcome(0, "losses.times"),
        Outcome(0, "losses.times"),
        sftp=Outcome(0, "losses.times"),
        find=Outcome(0, "losses.times"),
        busybox=Outcome(0, "losses.times"),
        note="borg 1.x stores times from 1970-01-01 to 2038-01-17",
    ),
}

_HEAD = """# Faults, and what a run says of them

This page is made from `tests/support/faults.py`. `tests/docker/test_faults.py` tries each row on
real machines. Code 0 means that everything asked for is in the archive, as it was at some moment
of the run. Keys of the result tell the rest:

- `changed`: what changed during the run
- `vanished`: what was deleted during the run
- `came`: what was made during the run, too late for the archive
- `losses`: what a method cannot carry

Any other code leaves an archive that keeps its `.unverified` name and is no backup. `pipe` stands
for all methods with borg on the client.

| fault | sshfs | pipe | stream |
| --- | --- | --- | --- |
"""
_BY_READERS = """
## By the readers of stream

`stream` above is its reader `python`. By the [other readers](methods.md#stream-by-sftp), the same
faults end so. `busybox` reads on a client whose shell and tools are busybox's.

| fault | python | sftp | find | busybox |
| --- | --- | --- | --- | --- |
"""
_TAIL = """
## What is behind it

SFTP does not show what it cannot name, nor that a folder's listing broke off. So `sshfs` asks the
client's own `find` which names there are. A login without a shell cannot run `find`. The result
then says `"listings": "not checked"`. So it does if that `find` is busybox's, and by the reader
`busybox`. If a disk fails in the middle of a folder, busybox's `find` takes that for the folder's
end. Then nobody can tell that names are missing.

In a very deep folder (a path of 3,840 bytes or more), SFTP may be unable to name everything.
Without `find`, such a folder counts as lost data (60). Exclude it, allow it by
`--allow-unreadable`, or use `pipe`. A verification that could not be done ends with 64.

A run looks once more for a file that vanished. If it is there again, it was replaced, and the run
ends with 60. With a key that is limited to a forced command, the client's borg looks, by a dry
run. If borg cannot see everything then, the file counts as there.

A named folder may be empty. borg saves no sockets. A named folder that holds only sockets is a
warning.
"""


def page() -> str:
    return _HEAD + _rows(METHODS) + _BY_READERS + _rows(("stream", *READERS)) + _TAIL


def _rows(columns: tuple[str, ...]) -> str:
    lines = []
    for fault in FAULTS.values():
        what = f"{fault.what} ({fault.note})" if fault.note else fault.what
        told = " | ".join(fault.outcome(column).text() for column in columns)
        lines.append(f"| {what} | {told} |\n")
    return "".join(lines)


if __name__ == "__main__":
    print(page(), end="")
