"""The options that several commands share, each also a BORGPULL_ variable."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class LauncherName(StrEnum):
    here = "here"
    docker = "docker"


class HowName(StrEnum):
    native = "native"
    chroot = "chroot"
    numeric = "numeric"
    tar = "tar"
    local = "local"


class OverwriteName(StrEnum):
    never = "never"
    changed = "changed"
    always = "always"


class RungName(StrEnum):
    userns = "userns"
    sys_admin = "sys-admin"


def _option(*names: str, text: str, **more: object) -> object:
    variable = "BORGPULL_" + names[0].lstrip("-").replace("-", "_").upper()
    return typer.Option(*names, help=text, envvar=variable, **more)  # type: ignore[call-overload]


Address = Annotated[str, typer.Argument(metavar="[USER@]HOST[:PORT]", help="The client.")]
Name = Annotated[
    str | None, _option("--name", text="The client's name [default: the host part of the address].")
]
Repo = Annotated[
    str | None,
    _option("--repo", text="Folder (or Docker volume) of the repositories, one a client."),
]
State = Annotated[
    str | None,
    _option("--state", text="Folder (or Docker volume) for what must last: caches, host keys."),
]
Init = Annotated[bool, _option("--init", text="Make the repository if there is none.")]
ArchiveName = Annotated[
    str | None,
    _option("--archive", text="Archive name; borg's placeholders work [default: CLIENT-TIME]."),
]
Exclude = Annotated[
    list[str] | None, _option("--exclude", text="borg pattern to leave out; may be repeated.")
]
ExcludeFrom = Annotated[
    list[str] | None, _option("--exclude-from", text="File of patterns, one a line.")
]
AllowUnreadable = Annotated[
    list[str] | None,
    _option("--allow-unreadable", text="Path that may be missing from the archive."),
]
Compression = Annotated[str, _option("--compression", text="As borg has it, for instance zstd,3.")]
Encryption = Annotated[str, _option("--encryption", text="For a new repository, as borg has it.")]
PassphraseFile = Annotated[
    str | None, _option("--passphrase-file", text="File that holds the passphrase.")
]
SshKey = Annotated[str | None, _option("--ssh-key", text="Private key to log in with.")]
KnownHosts = Annotated[
    str | None, _option("--known-hosts", text="More host keys, beside the pinned ones.")
]
Launcher = Annotated[
    LauncherName | None,
    _option("--launcher", text="Where the job runs [default: here in the sidecar, else docker]."),
]
Image = Annotated[str, _option("--image", text="Image of the sidecar, for --launcher docker.")]
Network = Annotated[
    str | None, _option("--network", text="Docker network of the sidecar, for --launcher docker.")
]
Rung = Annotated[
    RungName,
    _option("--rung", text="Privilege of the sidecar: a user namespace of its own, or SYS_ADMIN."),
]
ClientBorg = Annotated[
    str | None, _option("--client-borg", text="Use this borg of the client (its path there).")
]
KeepRuntime = Annotated[
    bool,
    _option("--keep-runtime", text="Leave our programs and borg's cache there for the next run."),
]
Sudo = Annotated[bool, _option("--sudo", text="Read the files as root, by sudo on the client.")]
ConnectBack = Annotated[
    str | None,
    _option("--connect-back", text="HOST:PORT by which the client reaches us [default: found]."),
]
Via = Annotated[str | None, _option("--via", text="[USER@]HOST[:PORT] of a machine to go through.")]
ServeOnly = Annotated[
    bool,
    _option("--serve-only", text="Only serve at a socket; you start borg on the client yourself."),
]
CheckpointInterval = Annotated[
    int,
    _option("--checkpoint-interval", text="Seconds between borg's checkpoints.", min=1),
]
LockWait = Annotated[
    int, _option("--lock-wait", text="Seconds to wait for another run on the client.", min=0)
]
DryRun = Annotated[bool, _option("--dry-run", text="Say what would be done; write nothing.")]
To = Annotated[
    str,
    _option("--to", text="[USER@]HOST[:PORT][:DIR], DIR or FILE.tar; / is where things came from."),
]
How = Annotated[
    HowName | None,
    _option(
        "--how",
        text="Way to restore: the README says what each loses [default: native, local for DIR].",
    ),
]
Strip = Annotated[int, _option("--strip", text="Leave out this many leading parts.", min=0)]
Overwrite = Annotated[
    OverwriteName,
    _option("--overwrite", text="What is there: refuse, restore what differs, or all of it."),
]
NumericIds = Annotated[
    bool, _option("--numeric-ids", text="Owners by number, not by the target's names.")
]
Path = Annotated[str, _option("--path", text="The folder to list, or to begin in.")]
Json = Annotated[bool, _option("--json", text="JSON lines on standard output: events, result.")]
Verbose = Annotated[bool, _option("--verbose", "-v", text="Say more; tracebacks of bugs.")]
