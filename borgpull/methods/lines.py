"""Which of its items a borg that saves is to name."""

from __future__ import annotations

from borgpull.borg.create import Order
from borgpull.client.authorized import FILTER


def worth_a_line(order: Order) -> str:
    """Letters for --filter. A first backup leaves out "A": 50,000 lines take 4 s.

    A dry run marks each item that would be saved by a dash, which is counted.
    """
    if order.dry_run:
        return FILTER + "-"  # a dash in front would make it an option
    return FILTER.replace("A", "") if order.fresh else FILTER


def uncounted(order: Order) -> str:
    """The same for an engine that tells how many of each kind it has saved: what has failed."""
    return worth_a_line(order) if order.dry_run else "E"
