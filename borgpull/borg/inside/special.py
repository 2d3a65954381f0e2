"""Items of anything but regular files: they have all in the listing."""

from __future__ import annotations

import os
import stat

from borgpull.borg.inside.fields import Fields
from borgpull.borg.inside.slots import LETTERS, FirstNames, Slot
from borgpull.borg.inside.tell import Teller


class Special:
    """Makes the items of folders, symlinks, FIFOs and devices."""

    def __init__(self, fields: Fields, links: FirstNames, tell: Teller) -> None:
        self._fields, self._links, self._tell = fields, links, tell

    def fill(self, slot: Slot) -> Slot:
        """Fill in a slot of anything but a regular file."""
        kind = stat.S_IFMT(slot.st.st_mode)
        if kind not in LETTERS:
            self._tell.unknown_type(slot.path)
            return slot
        if self.unlisted(slot):
            return slot
        source = leads = None
        slot.status = LETTERS[kind]
        if kind == stat.S_IFLNK:
            source = os.fsdecode(slot.extra.target)
        elif kind != stat.S_IFDIR:
            source = self._links.of(slot) if slot.st.st_nlink > 1 else None
            if source is not None:
                slot.status = "h"
            else:
                if slot.st.st_nlink > 1:
                    self._links.claim(slot)
                leads = self._links.leads(slot)
        slot.item = self._fields.item(slot.path, slot.st, slot.extra, source=source, leads=leads)
        return slot

    def unlisted(self, slot: Slot) -> bool:
        """Could its attributes not even be listed? borg does not save such an entry."""
        found = [errno for key, errno in slot.extra.failed if not key]
        if found:
            self._tell.failed(slot.path, "extended stat (xattrs)", found[0])
        return bool(found)
