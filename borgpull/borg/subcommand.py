"""What a command line of stock borg may do, before it runs.

borg takes options before its command, with and without a value, and abbreviated. A copy of its
parser would go out of date, so every reading is taken for possible, and the worst one counts.
"""

from __future__ import annotations

from collections.abc import Sequence

# Commands that leave the list of archives as it is (borg 1.4.5, archiver.py).
LOOKING = {
    *("break-lock", "compact", "config", "diff", "export-tar", "extract", "help", "info", "init"),
    *("key", "list", "mount", "umount", "version"),
}
CHANGING = {
    *("benchmark", "check", "create", "debug", "delete", "import-tar", "prune", "recreate"),
    *("rename", "serve", "upgrade", "with-lock"),
}
# What calls Repository.commit(compact=True): compact, and serve for whoever is at its other end.
# All others commit with compact=False; what they delete stays in the segments until a compact.
FREEING = {"compact", "serve"}


def readings(args: Sequence[str]) -> set[str]:
    """The words that may be borg's command: those with but options and their values before them."""
    found = set()
    for at, word in enumerate(args):
        if word.startswith("-"):
            continue
        found.add(word)
        if at == 0 or not args[at - 1].startswith("-"):  # no option's value: the command itself
            break
    return found


def may_change(args: Sequence[str]) -> bool:
    """Can it change the list of archives? True for what is not known."""
    words = readings(args)
    return bool(words & CHANGING) or not (words & LOOKING)


def may_free(args: Sequence[str]) -> bool:
    """Can it make unrecoverable what was deleted before it?

    `delete --force` removes the whole repository unasked if no archive is named; without it borg
    asks, and gets no answer from us (archiver.py, _delete_repository).
    """
    words = readings(args)
    forced = any(word.startswith("--fo") for word in args)
    return bool(words & FREEING) or ("delete" in words and forced)
