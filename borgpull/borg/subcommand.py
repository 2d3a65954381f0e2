"""What a command line of stock borg may do, judged before it runs.

borg takes options before its command, with and without a value, and abbreviated. A copy of its
parser would go out of date. So every reading counts as possible, and the worst one decides.
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
# Commands that call Repository.commit(compact=True): compact, and serve on behalf of its client.
# All others commit with compact=False. What they delete stays in the segments until a compact.
FREEING = {"compact", "serve"}

# Commands that may remove archives or replace them. `serve` lets its client do it.
REMOVING = {"benchmark", "delete", "prune", "recreate", "rename", "with-lock", *FREEING}
# Commands that make archives which the user wants. `check --repair` may bring back deleted ones.
MAKING = {"benchmark", "create", "import-tar", "recreate", "rename"}


def readings(args: Sequence[str]) -> set[str]:
    """The words that may be borg's command: only options and their values come before them."""
    found = set()
    for at, word in enumerate(args):
        if word.startswith("-"):
            continue
        found.add(word)
        if at == 0 or not args[at - 1].startswith("-"):  # no option's value: the command itself
            break
    return found


def may_change(args: Sequence[str]) -> bool:
    """Can it change the list of archives? True for an unknown command."""
    words = readings(args)
    return bool(words & CHANGING) or not (words & LOOKING)


def may_free(args: Sequence[str]) -> bool:
    """Can it make unrecoverable what was deleted before it?

    `delete --force` without an archive removes the whole repository unasked. Without `--force`,
    borg asks, and gets no answer here (archiver.py, _delete_repository).
    """
    words = readings(args)
    forced = any(word.startswith("--fo") for word in args)
    return bool(words & FREEING) or ("delete" in words and forced)


def may_remove(args: Sequence[str]) -> bool:
    """Can it remove archives, or free space? True for an unknown command."""
    words = readings(args)
    repairs = "check" in words and any(word.startswith("--repa") for word in args)
    digs = "debug" in words and "delete-obj" in args
    return bool(words & REMOVING) or repairs or digs or not words & (LOOKING | CHANGING)


def may_prune(args: Sequence[str]) -> bool:
    """Does it choose the archives that stay, by number and time?"""
    return "prune" in readings(args)


def makes(args: Sequence[str]) -> bool:
    """Did the user want the archives that are new after it?"""
    return bool(readings(args) & MAKING)
