"""What a verb is: the fields of its row in borgpull/verbs.py."""

from __future__ import annotations

from typing import Literal, NamedTuple

Group = Literal["Back up", "Restore", "Repository", "Access", "Host"]


class Verb(NamedTuple):
    """What a verb needs from its container, and what it may do there."""

    name: str
    kind: str  # of its job: a class in borgpull/jobs
    op: str  # the function that does it: MODULE.FUNCTION in borgpull/ops
    summary: str  # of `--help`
    group: Group
    command: str = ""  # of the command line: MODULE.FUNCTION in borgpull/cli
    method: bool = False  # it makes an archive of a client
    address: bool = False  # its first word is a client's address, not its name
    fuse: bool = False  # it mounts the client
    sshd: bool = False  # it runs an sshd of ours, which a client connects to
    connects_back: bool = False  # the user may name the port that the client connects to
    login: bool = False  # it logs in on a machine
    login_via: bool = False  # it logs in at the jump host only
    makes_folders: bool = False  # it may make the folders of the repositories and of the state
    reads_only: bool = False  # it cannot write the repository, whatever happens in the container
    alone: bool = False  # it uses no repository, no state and no secret of the user's
    locks: bool = False  # a sidecar that was killed in it leaves borg's lock behind
    raw: bool = False  # its output is borg's own, byte for byte
    lists: bool = False  # of a method: the borg that saves lists the archives, too
    ahead: bool = False  # of a method: it connects before the rest of its code is loaded
    unattended: bool = False  # it may run by a timetable, with nobody there
    asks_engine: bool = False  # the launcher adds what it knows of the engine
    options: tuple[str, ...] = ()  # of a method, beside the common ones
    authorized: str = ""  # of a method: the options of its line in authorized_keys
