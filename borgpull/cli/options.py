"""The options of commands in their groups, each also a BORGPULL_ variable.

typer is imported when a command is made of them. A job in a container needs the groups alone.
Each group takes time at each start, so one that no backup needs stands with its commands.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from borgpull.cli.groups import Group, Only, one_of
from borgpull.verbs import READERS


class LauncherName(StrEnum):
    here = "here"
    docker = "docker"


class RungName(StrEnum):
    userns = "userns"
    sys_admin = "sys-admin"


def option(*names: str, text: str, variable: str = "", **more: Any) -> Any:
    """An option of a group, with its variable: its own name, or another one."""
    import typer

    variable = "BORGPULL_" + (variable or names[0].lstrip("-").replace("-", "_").upper())
    return typer.Option(*names, help=text, envvar=variable, **more)


@dataclass(frozen=True, kw_only=True)
class Saving(Group):
    title: ClassVar[str] = "What a backup saves"

    name: Annotated[
        str | None,
        option("--name", text="The client's name.", show_default="the host part of the address"),
    ] = None
    archive: Annotated[
        str | None,
        option(
            "--archive",
            text="Archive name; borg's placeholders work.",
            show_default="CLIENT-TIME",
        ),
    ] = None
    exclude: Annotated[
        list[str] | None, option("--exclude", text="borg pattern to leave out; may be repeated.")
    ] = None
    exclude_from: Annotated[
        list[str] | None, option("--exclude-from", text="File of patterns, one a line.")
    ] = None
    allow_unreadable: Annotated[
        list[str] | None,
        option("--allow-unreadable", text="Path that may be missing from the archive."),
    ] = None
    compression: Annotated[
        str, option("--compression", text="As borg has it, for instance zstd,3.")
    ] = "lz4"


@dataclass(frozen=True, kw_only=True)
class Fresh(Group):
    title: ClassVar[str] = "A new repository"

    init: Annotated[bool, option("--init", text="Make the repository if there is none.")] = False
    encryption: Annotated[
        str, option("--encryption", text="For a new repository, as borg has it.")
    ] = "repokey-blake2"


@dataclass(frozen=True, kw_only=True)
class OnClient(Group):
    title: ClassVar[str] = "borg on the client"

    client_borg: Annotated[
        str | None, option("--client-borg", text="Use this borg of the client (its path there).")
    ] = None
    keep_runtime: Annotated[
        bool,
        option(
            "--keep-runtime", text="Leave our programs and borg's cache there for the next run."
        ),
    ] = False
    sudo: Annotated[
        bool, option("--sudo", text="Read the files as root, by sudo on the client.")
    ] = False
    connect_back: Annotated[
        str | None,
        option(
            "--connect-back", text="HOST:PORT by which the client reaches us.", show_default="found"
        ),
    ] = None
    serve_only: Annotated[
        bool,
        option(
            "--serve-only", text="Only serve at a socket; you start borg on the client yourself."
        ),
    ] = False
    checkpoint_interval: Annotated[
        int, option("--checkpoint-interval", text="Seconds between borg's checkpoints.", min=1)
    ] = 1800
    reread: Annotated[
        str | None,
        option("--reread", text="Share of unchanged files that are read once more, say 1/30."),
    ] = None
    reader: Annotated[
        str | None,
        option(
            "--reader",
            **one_of(READERS),
            text="What reads for stream: a Python there, its find, or SFTP.",
            show_default="the first that the client has",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Through(Group):
    title: ClassVar[str] = "The way to the client"

    via: Annotated[
        str | None, option("--via", text="[USER@]HOST[:PORT] of a machine to go through.")
    ] = None
    via_key: Annotated[
        str | None,
        option(
            "--via-key",
            text="Private key for the machine of --via.",
            show_default="that of --ssh-key",
        ),
    ] = None
    ssh_option: Annotated[
        list[str] | None,
        option("--ssh-option", text="NAME=VALUE for ssh, say KexAlgorithms=+…; may be repeated."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Where(Group):
    title: ClassVar[str] = "Where things are"

    repo: Annotated[
        str | None,
        option("--repo", text="Folder (or Docker volume) of the repositories, one a client."),
    ] = None
    state: Annotated[
        str | None,
        option("--state", text="Folder (or Docker volume) for what must last: caches, host keys."),
    ] = None
    passphrase_file: Annotated[
        str | None, option("--passphrase-file", text="File that holds the passphrase.")
    ] = None
    ssh_key: Annotated[str | None, option("--ssh-key", text="Private key to log in with.")] = None
    known_hosts: Annotated[
        str | None, option("--known-hosts", text="More host keys, beside the pinned ones.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Launch(Group):
    title: ClassVar[str] = "How a command runs"

    dry_run: Annotated[bool, option("--dry-run", text="Say what would be done; write nothing.")] = (
        False
    )
    launcher: Annotated[
        LauncherName | None,
        option(
            "--launcher",
            text="Where the job runs.",
            show_default="here in the sidecar, else docker",
        ),
    ] = None
    image: Annotated[
        str, option("--image", text="Image of the sidecar, for --launcher docker.")
    ] = "borgpull"
    network: Annotated[
        str | None,
        option("--network", text="Docker network of the sidecar, for --launcher docker."),
    ] = None
    rung: Annotated[
        RungName,
        option(
            "--rung", text="Privilege of the sidecar: a user namespace of its own, or SYS_ADMIN."
        ),
    ] = RungName.userns
    lock_wait: Annotated[
        int, option("--lock-wait", text="Seconds to wait for another run on the client.", min=0)
    ] = 300
    result_file: Annotated[
        str | None,
        option("--result-file", text="File for the result in 4,096 bytes, say a pod's last word."),
    ] = None
    json_lines: Annotated[
        bool, option("--json", text="JSON lines on standard output: events, result.")
    ] = False
    verbose: Annotated[bool, option("--verbose", "-v", text="Say more; tracebacks of bugs.")] = (
        False
    )


# A command that reads a repository here, and logs in nowhere.
InRepository = Annotated[Where, Only("repo", "state", "passphrase_file")]
SHOWN = ("result_file", "json_lines", "verbose")
Plain = Annotated[Launch, Only("launcher", "image", *SHOWN)]
Waiting = Annotated[Launch, Only("launcher", "image", "lock_wait", *SHOWN)]
