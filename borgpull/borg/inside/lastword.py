"""When the helper is told that nothing more will be asked.

It is told with the last question, if nothing that waits can lead to one more. So its last word
comes with its last answer, and no round trip passes between them.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from borgpull.borg.inside.slots import ASKED, KNOWN, LATER, Batch, Slot


def may_ask(waiting: Iterable[Slot | Batch], chunks: Container[bytes]) -> bool:
    """Can one of these still lead to a question? `chunks` are those of the repository.

    A further name of a file is read if its first name fails. An unchanged file is read if a chunk
    of it is lost, and so is one that is compared with its chunks.
    """
    for one in waiting:
        if not isinstance(one, Slot):
            ids = one.ids()
        elif one.state == LATER:
            return True
        else:
            ids = iter({KNOWN: one.ids, ASKED: one.base}.get(one.state) or ())
        if any(key not in chunks for key in ids):
            return True
    return False
