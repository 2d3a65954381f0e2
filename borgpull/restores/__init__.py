"""Restores: how an archive gets back. Each way is a module with `open_site`."""

from __future__ import annotations

from borgpull.late import Late
from borgpull.restores.base import Site, SiteOpener

WAYS: Late[SiteOpener] = Late(
    __name__,
    {
        "stream": "stream.open_site",
        "native": "native.open_site",
        "chroot": "sshfs.open_site",
        "numeric": "sshfs.open_site",
        "tar": "tar.open_site",
        "local": "local.open_site",
    },
)

__all__ = ["WAYS", "Site"]
