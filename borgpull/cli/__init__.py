"""The command line: parse, call one op through a launcher, show its events. Nothing else prints."""

from __future__ import annotations

from borgpull.cli.entry import main as main
