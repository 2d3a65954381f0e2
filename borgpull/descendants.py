"""The processes below another one. The keeper loads this at its start, so it imports little."""

from __future__ import annotations

import os


def descendants(root: int) -> list[int]:
    """The processes below `root`, by proc_pid_stat(5). Zombies are not among them."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", errors="replace") as stat:
                state, parent = stat.read().rpartition(")")[2].split()[:2]
        except OSError:  # it has ended
            continue
        if state != "Z":
            children.setdefault(int(parent), []).append(int(name))
    found = children.get(root, [])
    for pid in found:  # grows while we walk
        found += children.get(pid, [])
    return found
