"""A repository of its own for each test, without the runs that it would take to make it."""

from __future__ import annotations

import shutil
import subprocess

from tests.support.lab import Lab


def copied(lab: Lab, made: str, name: str) -> None:
    """The archives and the state of the client `made` under another name.

    But for what borg itself remembers here of a repository, as that is of another place.
    """
    clients = lab.state / "clients"
    for here, there in (
        (lab.repo / made, lab.repo / name),
        (lab.repo / f".{made}.lock", lab.repo / f".{name}.lock"),
        (clients / made, clients / name),
    ):
        subprocess.run(["cp", "-a", str(here), str(there)], check=True, timeout=60)
    shutil.rmtree(clients / name / "borg")
