"""How an archive gets back: one row a way. A new way needs a module in `restores`, too."""

from __future__ import annotations

from typing import NamedTuple


class Way(NamedTuple):
    """How an archive gets back."""

    name: str
    fuse: bool = False  # it mounts the target
    here: bool = False  # the target is a folder or a file of this host
    options: tuple[str, ...] = ()  # those of `restore` that only some ways have


_WAYS = (
    Way(name="stream", options=("sudo", "via")),
    Way(name="native", options=("client_borg", "sudo", "via")),
    Way(name="chroot", fuse=True, options=("via",)),
    Way(name="numeric", fuse=True, options=("via",)),
    Way(name="tar", options=("sudo", "via")),
    Way(name="local", here=True),
)
WAYS = {way.name: way for way in _WAYS}
# Those that a drill can take. `chroot` is none: the target of a drill has no names of the client's.
DRILLED = ("local", "stream", "native", "numeric", "tar")
