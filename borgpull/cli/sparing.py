"""The options of `stream` alone: what it leaves out by what the client has, its rate, and
what it reads back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from borgpull.cli.groups import Group, one_of
from borgpull.cli.options import option
from borgpull.errors import UsageError
from borgpull.jobs import Skips
from borgpull.paths import for_borg
from borgpull.verbs import COMPRESS_LINK

_RATE = re.compile(r"([0-9]{1,9})([KMG]?)", re.IGNORECASE)
_UNITS = {"": 1 << 10, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(frozen=True, kw_only=True)
class Sparing(Group):
    title: ClassVar[str] = "Of stream alone"

    exclude_caches: Annotated[
        bool, option("--exclude-caches", text="Leave out folders that a CACHEDIR.TAG marks.")
    ] = False
    exclude_if_present: Annotated[
        list[str] | None,
        option(
            "--exclude-if-present",
            text="Leave out folders with this name in them; may be repeated.",
        ),
    ] = None
    keep_exclude_tags: Annotated[
        bool,
        option("--keep-exclude-tags", text="Save such a folder and its tag, and no more of it."),
    ] = False
    one_file_system: Annotated[
        bool,
        option("--one-file-system", text="Stay in the file system of each named path."),
    ] = False
    numeric_ids: Annotated[
        bool, option("--numeric-ids", text="Save the numbers of owners, not their names.")
    ] = False
    limit_rate: Annotated[
        str | None,
        option("--limit-rate", text="Most bytes a second from the client, say 2M.", metavar="RATE"),
    ] = None
    compress_link: Annotated[
        str,
        option(
            "--compress-link",
            text="Pack what comes from the client: if that is faster, always, or never.",
            **one_of(COMPRESS_LINK),
        ),
    ] = "auto"

    read_back: Annotated[
        str,
        option("--read-back", text="Share of what is new in the repository that is read back."),
    ] = "1/64"

    def parts(self) -> dict[str, Any]:
        """The fields of a job. Raises UsageError."""
        skips, rate = self.skips(), self.rate()
        return {
            "skips": skips,
            "numeric_ids": self.numeric_ids,
            "limit_rate": rate,
            "compress_link": self.compress_link,
            "read_back": share(self.read_back, "new chunks", "--read-back 1/64"),
        }

    def skips(self) -> Skips:
        """Raises UsageError."""
        return Skips(
            caches=self.exclude_caches,
            tags=tuple(map(for_borg, self.exclude_if_present or ())),
            keep_tags=self.keep_exclude_tags,
            one_file_system=self.one_file_system,
        )

    def rate(self) -> int | None:
        """Bytes a second. As for rsync's --bwlimit, a bare number is of KiB. Raises UsageError."""
        if self.limit_rate is None:
            return None
        found = _RATE.fullmatch(self.limit_rate)
        number = int(found[1]) * _UNITS[found[2].upper()] if found else 0
        if not number:
            text = f"--limit-rate {self.limit_rate!r} is no rate"
            raise UsageError(text, hint="for instance 500K, or 2M")
        return number


def share(text: str, things: str = "files", example: str = "--reread 1/30") -> int:
    """The number under the 1. Raises UsageError."""
    found = re.fullmatch(r"1/([1-9][0-9]{0,3})", text)
    if found is None:
        raise UsageError(f"not a share of the {things}: {text!r}", hint=f"for instance {example}")
    return int(found[1])
