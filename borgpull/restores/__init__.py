"""Restores: how an archive gets back. A way is a module with `open_site`, in one dict."""

from __future__ import annotations

from borgpull.restores import local, native, sshfs, tar
from borgpull.restores.base import Site, SiteOpener

WAYS: dict[str, SiteOpener] = {
    "native": native.open_site,
    "chroot": sshfs.open_site,
    "numeric": sshfs.open_site,
    "tar": tar.open_site,
    "local": local.open_site,
}

__all__ = ["WAYS", "Site"]
