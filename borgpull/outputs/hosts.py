"""`data` of the verbs on hosts."""

from __future__ import annotations

from typing import TypedDict

from borgpull.outputs.lines import Nothing, Output


class Trust(TypedDict):
    """The keys of a host."""

    host: str
    offered: list[str]
    """The fingerprints of the keys that the host offers, with their kinds."""
    pinned: list[str]
    """Those of the keys that are known from now on."""
    added: bool
    """Has this command pinned them?"""


class Check(TypedDict):
    """One thing that doctor has looked at."""

    name: str
    """`borg there` says which methods would work on the client."""
    ok: bool | None
    """null: not known, or only worth knowing."""
    text: str
    hint: str
    """What to do; empty where it is in order."""


class Doctor(TypedDict):
    """What doctor has looked at. It failed if a check is not `ok`."""

    checks: list[Check]


class Version(TypedDict):
    """The one line of `version --json`. A program that is not here has `not here`."""

    borgpull: str
    """The version of borgpull, not that of the format."""
    python: str
    borg: str
    sshfs: str
    ssh: str


# A row a verb.
ROWS: dict[str, Output] = {
    "trust": Output(data=Trust),
    "doctor": Output(data=Doctor, failed=Doctor | Nothing),
}
