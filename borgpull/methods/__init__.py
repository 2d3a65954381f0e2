"""Methods: how a client's data gets here. A method is a module with `open_source`, in one dict."""

from __future__ import annotations

from borgpull.methods import agent, forward, pipe, socat, sshfs
from borgpull.methods.base import Source, SourceOpener

METHODS: dict[str, SourceOpener] = {
    "sshfs": sshfs.open_source,
    "pipe": pipe.open_source,
    "socat": socat.open_source,
    "agent": agent.open_source,
    "forward": forward.open_source,
}

__all__ = ["METHODS", "Source"]
