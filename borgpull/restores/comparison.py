"""The target and the archive, compared item by item."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from borgpull.restores import survey
from borgpull.restores.base import Site
from borgpull.trees import losses
from borgpull.trees.differences import Differences, Links, Names, differs
from borgpull.trees.item import Item
from borgpull.trees.survey import Ground


class Comparison:
    """Compares the target after a restore with the archive, except for kinds known as lost."""

    def __init__(self, site: Site, *, numeric: bool) -> None:
        """Owners are compared by number if `numeric`, else by their names at the target, too."""
        self.found = Differences(holes=site.holes)
        self._site, self._names = site, None if numeric else Names()
        self._links = Links()

    def add(self, items: Sequence[Item], ground: Ground) -> None:
        """Compare some items with what is in their places. Raises ConnectionLost."""
        lost = self._site.losses
        if self._names is not None:
            survey.owners(self._site, items, ground, self._names)
        for item in items:
            if lost and losses.lost_whole(item, lost):
                continue
            there = ground.found.get(item.place)
            self._links.see(item, there, ground)
            kinds = differs(item, there, self._names)
            if lost and kinds:
                kinds -= losses.hidden(item, lost)
            if kinds:
                self.found.add(item, kinds)

    def end(self, items: Iterable[Item]) -> Differences:
        """Go through all items once more: only now the broken hard links are known."""
        for item in items if self._links else ():
            if self._links.broken(item):
                self.found.add(item, {"hard_links"})
        return self.found
