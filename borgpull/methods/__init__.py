"""Methods: how a client's data gets to the server. Each is a module with `open_source`."""

from __future__ import annotations

from borgpull import verbs
from borgpull.late import Late
from borgpull.methods.base import Source, SourceOpener

METHODS: Late[SourceOpener] = Late(
    __name__, {name: f"{name}.open_source" for name in verbs.METHODS}
)

__all__ = ["METHODS", "Source"]
