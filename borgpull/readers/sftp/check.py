"""Are all names of the client in SFTP's listings? Its own walk tells, if it has a shell.

SFTP does not show an entry that the client cannot stat or name, and hides that a listing broke off
(`jail/clientwalk.py`). Findings are those of `jail/compare.py`.
"""

from __future__ import annotations

import errno
import functools
import os
import stat
from collections.abc import Iterator, Sequence

from borgpull.jail.clientwalk import ClientWalk, beyond
from borgpull.jail.findings import MAX_TOLD, Finding
from borgpull.jail.wanted import Known, Plan, Tree
from borgpull.readers.sftp import packets
from borgpull.readers.sftp.link import Link


def findings(
    plan: Plan, known: Known, deep: Sequence[str], walk: ClientWalk, link: Link
) -> Iterator[Finding]:
    """What the walk has beyond `known`, and folders too `deep` for SFTP; then how sure that is.

    Raises WalkBroken, BadAnswer, Ended.
    """
    skew, told = walk.header(), 0
    tree = Tree(plan, known)
    yield from ({"unnameable": path} for path in deep if plan.wanted(path))
    if skew is not None:
        look = functools.partial(_looked_at, link)
        for finding in beyond(walk, tree, plan.wanted, look):
            told += 1
            if told <= MAX_TOLD:
                yield finding
    walked = skew is not None and tree.walked()
    sure = {"walked": walked, "checked": walked and walk.tells_breaks}
    yield {"skew": skew, "more": {"names": told} if told > MAX_TOLD else {}, **sure}


def _looked_at(link: Link, name: str) -> Finding | None:
    """A name that SFTP does not know may be gone again. The client's shell will tell."""
    status, body = link.call(packets.LSTAT, packets.text(os.fsencode(f"/{name}")), packets.ATTRS)
    if not status:
        is_socket = stat.S_ISSOCK(max(packets.attrs(body).mode, 0))
        return None if is_socket else {"came": name}
    number = packets.number_of(status)
    if number == errno.ENOENT:
        return {"denied": name}
    return {"absent": name, "why": f"by SFTP: {os.strerror(number)}"}
