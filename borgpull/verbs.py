"""What a user can ask for: one row a verb, and one row a way of restoring.

The command line, the launchers and the engine learn from its row what a verb is. A new verb needs a
row here, a function in `ops`, and a command. It also needs a kind of job if no kind fits. A new
method needs a row and a module in `methods`; its command comes from the row.
"""

from __future__ import annotations

from borgpull.verb import Group as Group
from borgpull.verb import Verb
from borgpull.ways import WAYS as WAYS

# The options that methods with borg on the client have beside the common ones.
_ON_CLIENT = ("client_borg", "keep_runtime", "sudo", "checkpoint_interval")
# The readers of `stream`.
READERS = ("python", "find", "busybox", "sftp")
COMPRESS_LINK = ("auto", "on", "off")
# `restrict` denies forwarding, which some methods need. There is no word for "no port". But `none`
# is no host, so the key opens no way into the client's network (sshd(8), AUTHORIZED_KEYS).
_FORWARDS = 'restrict,port-forwarding,permitopen="none:1",permitlisten='


def _method(name: str, summary: str, authorized: str, *options: str, **more: bool) -> Verb:
    return Verb(
        name=name,
        kind="Backup",
        op="beginning.run",
        command="backups.backup",
        summary=summary,
        group="Back up",
        authorized=authorized,
        options=options,
        method=True,
        address=True,
        login=True,
        makes_folders=True,
        locks=True,
        unattended=True,
        **more,
    )


_VERBS = (
    _method(
        "sshfs",
        "Back a client up over sshfs: nothing is needed there but SFTP, nothing is written.",
        "restrict",
        "rung",
        fuse=True,
    ),
    _method(
        "pipe",
        "Back a client up by borg there, through one plain command of ssh.",
        "restrict",
        *_ON_CLIENT,
    ),
    _method(
        "stream",
        "Back a client up by our own reader there: borg, its key and its cache stay here.",
        "restrict",
        "sudo",
        "checkpoint_interval",
        "reader",
        "reread",
        "read_back",
        "exclude_caches",
        "exclude_if_present",
        "keep_exclude_tags",
        "one_file_system",
        "numeric_ids",
        "limit_rate",
        "compress_link",
        lists=True,
        ahead=True,
    ),
    _method(
        "socat",
        "Back a client up by borg there, through a unix socket that ssh forwards.",
        f'{_FORWARDS}"none:1"',
        *_ON_CLIENT,
        "serve_only",
    ),
    _method(
        "agent",
        "Back a client up by borg there, which connects back with a forwarded ssh-agent.",
        "restrict,agent-forwarding",
        *_ON_CLIENT,
        "connect_back",
        sshd=True,
        connects_back=True,
    ),
    _method(
        "forward",
        "Back a client up by borg there, through a TCP port that ssh forwards to us.",
        f'{_FORWARDS}"127.0.0.1:*"',
        *_ON_CLIENT,
        sshd=True,
    ),
    # `socat --serve-only`; it has no command of its own.
    Verb(
        name="serve",
        kind="Serve",
        op="serve.run",
        summary="Serve a client's repository at a socket on the client.",
        group="Back up",
        makes_folders=True,
        locks=True,
    ),
    Verb(
        name="restore",
        kind="Restore",
        op="restore.run",
        command="restores.restore",
        summary="Bring an archive back, or paths of it. Nothing is overwritten unless you say so.",
        group="Restore",
        login=True,
        reads_only=True,
    ),
    Verb(
        name="browse",
        kind="Browse",
        op="browse.run",
        command="browse.browse",
        summary="Look through an archive, and choose what to restore.",
        group="Restore",
        reads_only=True,
    ),
    Verb(
        name="find",
        kind="Find",
        op="search.find",
        command="restores.find",
        summary="Find files in all verified archives of a client.",
        group="Restore",
    ),
    Verb(
        name="diff",
        kind="Diff",
        op="search.diff",
        command="restores.diff",
        summary="Show what differs between two archives of a client.",
        group="Restore",
    ),
    Verb(
        name="drill",
        kind="Drill",
        op="drill.run",
        command="drills.drill",
        summary="Restore an archive into a throw-away container, and prove that it is all there.",
        group="Restore",
        reads_only=True,
        unattended=True,
    ),
    # `drill --demo`; it has no command of its own.
    Verb(
        name="demo",
        kind="Demo",
        op="demo.run",
        summary="Drill a good and a spoilt backup, which are made for it.",
        group="Restore",
        alone=True,
    ),
    Verb(
        name="drills",
        kind="Drills",
        op="drill.history",
        command="drills.drills",
        summary="Show what the drills of a client have found.",
        group="Restore",
        reads_only=True,
    ),
    Verb(
        name="init",
        kind="Init",
        op="repository.init",
        command="commands.init",
        summary="Make a client's repository, and be reminded to keep a copy of its key.",
        group="Repository",
        makes_folders=True,
        locks=True,
    ),
    Verb(
        name="list",
        kind="List",
        op="repository.list_archives",
        command="commands.list_archives",
        summary="List a client's archives, or what is in one.",
        group="Repository",
    ),
    Verb(
        name="info",
        kind="Look",
        op="repository.info",
        command="commands.info",
        summary="Show a client's repository: sizes, encryption, the newest verified archive.",
        group="Repository",
    ),
    Verb(
        name="borg",
        kind="Stock",
        op="repository.borg",
        command="commands.borg",
        summary="Run stock borg on a client's repository (`::ARCHIVE` names an archive in it).",
        group="Repository",
        raw=True,
    ),
    Verb(
        name="acknowledge",
        kind="Acknowledge",
        op="acknowledge.run",
        command="commands.acknowledge",
        summary="Accept that archives have vanished; or adopt or delete those that no run made.",
        group="Repository",
    ),
    Verb(
        name="prune",
        kind="Prune",
        op="prune.run",
        command="retention.prune",
        summary="Remove verified archives by the rules of `borg prune`, and free their space.",
        group="Repository",
        locks=True,
        unattended=True,
    ),
    Verb(
        name="check",
        kind="Check",
        op="check.run",
        command="retention.check",
        summary="Check that a client's repository and its archives are whole. Repairs nothing.",
        group="Repository",
        locks=True,
        unattended=True,
    ),
    Verb(
        name="status",
        kind="Status",
        op="status.run",
        command="retention.status",
        summary="Show when clients were last backed up, pruned and checked; fail if too long ago.",
        group="Repository",
        reads_only=True,
    ),
    Verb(
        name="tidy",
        kind="Tidy",
        op="tidy.run",
        command="commands.tidy",
        summary="Free what killed runs left locked. The next backup of a client does it by itself.",
        group="Repository",
    ),
    Verb(
        name="trust",
        kind="Trust",
        op="trust.run",
        command="hosts.trust",
        summary="Show a client's host key, and pin it once you have compared it.",
        group="Access",
        address=True,
        login_via=True,
        makes_folders=True,
    ),
    Verb(
        name="doctor",
        kind="Doctor",
        op="doctor.diagnose",
        command="hosts.doctor",
        summary="Say what this host allows, what is missing, and what the client offers.",
        group="Host",
        address=True,
        fuse=True,
        login=True,
        makes_folders=True,
        asks_engine=True,
    ),
)
VERBS = {verb.name: verb for verb in _VERBS}
METHODS = {verb.name: verb for verb in _VERBS if verb.method}
