"""The kinds of jobs. Each kind has the fields that its verbs read, and nothing else.

A verb's row in borgpull/verbs.py names its kind. A field without a default must be given. A kind
with only one verb has it as a default.
"""

from __future__ import annotations

from dataclasses import dataclass

from borgpull.addresses import Target
from borgpull.errors import UsageError
from borgpull.jobs.backing import Backup
from borgpull.jobs.base import Job, Locking
from borgpull.jobs.drilling import Demo, Drill, Drills
from borgpull.jobs.parts import Access, Keep, Route
from borgpull.verbs import VERBS, WAYS

# --- clients --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Serve(Locking):
    """A client's repository at a socket, for a borg that the user starts."""

    verb: str = "serve"
    target: Target  # where the user is told to connect


@dataclass(frozen=True, kw_only=True)
class Restore(Locking):
    """An archive, or paths of it, back to a machine, or into a folder or tar file of this host.

    Raises UsageError if the way and the access do not go together.
    """

    verb: str = "restore"
    archive: str  # its name, or `latest`
    paths: tuple[str, ...] = ()  # in the archive, absolute; none stands for all
    how: str  # a row of WAYS
    access: Access | None = None  # to the target; None for this host
    into: str = "/"  # the folder at the target, or the tar file
    strip: int = 0
    overwrite: str = "never"  # or changed, always
    numeric_ids: bool = False
    room_check: bool = True  # is room looked for before anything is written?
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.how not in WAYS or WAYS[self.how].here != (self.access is None):
            raise UsageError(f"not a way to restore there: {self.how!r}")

    @property
    def by_number(self) -> bool:
        """Are owners restored by their stored numbers, and not by names?"""
        return self.numeric_ids or self.how == "numeric"

    @property
    def there(self) -> Access:
        """The access of a way that goes to another machine."""
        assert self.access is not None
        return self.access

    def reaches(self) -> Route | None:
        return self.access


@dataclass(frozen=True, kw_only=True)
class Trust(Job):
    """The host keys of a machine: shown, or pinned."""

    verb: str = "trust"
    route: Route
    fingerprint: str | None = None  # of what is to be pinned, or several with commas; None: nothing
    replace: bool = False  # even where another key is pinned?
    name: str = ""  # with `replace`: the client that is to stand for this machine from now on

    def reaches(self) -> Route:
        return self.route


@dataclass(frozen=True, kw_only=True)
class Doctor(Job):
    """What this host allows and, if a route is named, what the machine at its end offers."""

    verb: str = "doctor"
    route: Route | None = None

    def reaches(self) -> Route | None:
        return self.route


# --- a client's repository ------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Init(Locking):
    """A new repository."""

    verb: str = "init"
    encryption: str = "repokey-blake2"


@dataclass(frozen=True, kw_only=True)
class Stock(Locking):
    """Stock borg on the repository."""

    verb: str = "borg"
    args: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Acknowledge(Locking):
    """Vanished archives are accepted. If archives are named, these are adopted or deleted.

    With a reason, what the guard has found is accepted, too.
    """

    verb: str = "acknowledge"
    adopt: tuple[str, ...] = ()  # names of archives
    remove: tuple[str, ...] = ()  # names of archives
    adopt_not_known: bool = False
    reason: str = ""  # why what the guard has found is right


@dataclass(frozen=True, kw_only=True)
class Prune(Locking):
    """Verified archives that no rule keeps are removed."""

    verb: str = "prune"
    keep: Keep
    dry_run: bool = False


@dataclass(frozen=True, kw_only=True)
class Check(Locking):
    """borg's check of the repository and of the archives."""

    verb: str = "check"
    verify_data: bool = False  # is all content read, too?


@dataclass(frozen=True, kw_only=True)
class Status(Job):
    """When clients were last backed up, pruned, checked and drilled: these or, without one, all.

    `client` is empty.
    """

    verb: str = "status"
    clients: tuple[str, ...] = ()
    # The greatest age in seconds; None for no limit.
    max_backup_age: int | None = None
    max_prune_age: int | None = None
    max_check_age: int | None = None
    max_drill_age: int | None = None


@dataclass(frozen=True, kw_only=True)
class Tidy(Job):
    """The locks of killed runs are removed: those of one client or, without one, of all."""

    verb: str = "tidy"


@dataclass(frozen=True, kw_only=True)
class Look(Job):
    """A job that only reads a repository, without a lock."""


@dataclass(frozen=True, kw_only=True)
class List(Look):
    """The archives, or what is in one."""

    verb: str = "list"
    archive: str | None = None  # its name, or `latest`


@dataclass(frozen=True, kw_only=True)
class Browse(Look):
    """What is in an archive, in one folder of it or everywhere."""

    verb: str = "browse"
    archive: str | None = None  # its name; None for `latest`
    path: str | None = None  # of the folder, or of a file; None for every item


@dataclass(frozen=True, kw_only=True)
class Find(Look):
    """Files that match a shell's pattern, in all archives that count."""

    verb: str = "find"
    pattern: str


@dataclass(frozen=True, kw_only=True)
class Diff(Look):
    """What differs between two archives."""

    verb: str = "diff"
    first: str  # its name, or `latest`
    second: str


_KINDS: tuple[type[Job], ...] = (
    *(Backup, Serve, Restore, Trust, Doctor),
    *(Init, Stock, Acknowledge, Prune, Check, Status, Tidy),
    *(Look, List, Browse, Find, Diff, Drill, Demo, Drills),
)
_BY_NAME = {kind.__name__: kind for kind in _KINDS}
# The kind of each verb's job.
KINDS = {name: _BY_NAME[row.kind] for name, row in VERBS.items()}
