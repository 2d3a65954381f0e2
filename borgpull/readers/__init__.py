"""Readers of `stream`: what reads on the client, or from it. Each is a module in one dict."""

from __future__ import annotations

from borgpull.client import helper
from borgpull.outputs.backups import Reader as Name
from borgpull.readers.base import Reader
from borgpull.readers.sftp import start

READERS: dict[Name, Reader] = {"python": helper, "sftp": start}

__all__ = ["READERS", "Reader"]
