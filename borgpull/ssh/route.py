"""The way to a machine: its ssh configuration, with what is remembered of the machine."""

from __future__ import annotations

from pathlib import Path

from borgpull.jobs import Route
from borgpull.places import Places
from borgpull.ssh import config, machine
from borgpull.ssh.config import SshConfig


def to_client(
    route: Route, places: Places, client: str, folder: Path, *, forwarding: bool = False
) -> SshConfig:
    """Write the configuration into `folder` (0700, temporary). `client` is a name, or empty.

    Raises ConfigError, UsageError.
    """
    return config.write(
        folder,
        route.target,
        places,
        via=route.via,
        forwarding=forwarding,
        ssh_options=route.ssh_options,
        client_aes=machine.knows_aes(route.target, places, client, folder),
    )
