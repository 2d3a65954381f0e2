"""The archive that a client says it made, compared with the repository on this side."""

from __future__ import annotations

from borgpull.borg import messages, repository
from borgpull.borg.command import Borg
from borgpull.borg.create import Created
from borgpull.methods import clock
from borgpull.methods.base import Verdict

# borg's status letter to its type letter, as `borg list` has it.
KINDS = {"d": "d", "s": "l", "f": "p", "b": "b", "c": "c"}


def verify(borg: Borg, done: Created, ordered: str) -> Verdict:
    """Has this side's repository the archive that the client says it made?

    borg on the client has read the files itself, so its warnings tell of read errors. `borg serve`
    has written what it acknowledged. Here our own borg, with our own key, must find and open that
    very archive, with the time that was `ordered`. Raises ArchiveNotMade.
    """
    made = str(done.stats.get("archive", {}).get("id"))
    row = repository.opened(borg, done.name) if done.name else None
    if row is None or row["id"] != made:
        raise repository.not_there(done.name)
    clock.require(row, ordered)
    stats = done.stats["archive"]["stats"]
    counts = {KINDS[letter]: done.statuses[letter] for letter in KINDS if done.statuses[letter]}
    counts["-"] = stats["nfiles"]
    changed = tuple(item.path for item in done.warnings if item.kind == messages.CHANGED)
    return Verdict(done, changed=changed, counts=counts, size=stats["original_size"])
