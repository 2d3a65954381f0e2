"""The options of the commands that restore, in a group."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from borgpull.cli.groups import Group, one_of
from borgpull.cli.options import option
from borgpull.verbs import WAYS


class OverwriteName(StrEnum):
    never = "never"
    changed = "changed"
    always = "always"


@dataclass(frozen=True, kw_only=True)
class Restoring(Group):
    title: ClassVar[str] = "Restore and browse"

    to: Annotated[
        str,
        option(
            "--to", text="[USER@]HOST[:PORT][:DIR], DIR or FILE.tar; / is where things came from."
        ),
    ]
    how: Annotated[
        str | None,
        option(
            "--how",
            **one_of(WAYS),
            text="Way to restore: docs/restore.md says what each loses.",
            show_default="stream, local for DIR",
        ),
    ] = None
    overwrite: Annotated[
        OverwriteName,
        option("--overwrite", text="What is there: refuse, restore what differs, or all of it."),
    ] = OverwriteName.never
    strip: Annotated[int, option("--strip", text="Leave out this many leading parts.", min=0)] = 0
    numeric_ids: Annotated[
        bool, option("--numeric-ids", text="Owners by number, not by the target's names.")
    ] = False
    no_room_check: Annotated[
        bool, option("--no-room-check", text="Begin even where there seems to be no room.")
    ] = False
