"""sshfs, in the foreground, watched, read-only, in the job's namespaces."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from borgpull.errors import MountFailed
from borgpull.process import CommandError, Running, run, running
from borgpull.sidecar.jail import Jail
from borgpull.sidecar.namespace import privilege_error
from borgpull.ssh.config import ALIAS, SshConfig
from borgpull.ssh.diagnose import from_ssh

MOUNT_SECONDS = 60.0


def options() -> str:
    """The mount options of a backup.

    No `reconnect`: it hides drops and makes errors inconsistent (libfuse/sshfs#3, #223).
    `no_contain_symlinks`: without it every absolute or `..` symlink reads as EPERM and is not in
    the archive (CVE-2026-47187's fix). It is safe here: nothing of ours resolves those links.
    """
    names = ["ro", "nodev", "nosuid", "noexec", "max_read=65536", "dcache_max_size=100000"]
    help_text = run(["sshfs", "--help"], timeout=10, check=False)
    if "no_contain_symlinks" in help_text.stdout.decode() + help_text.stderr:
        names.append("no_contain_symlinks")  # builds from before the fix do not know it
    return ",".join(names)


@contextmanager
def mounted(jail: Jail, config: SshConfig, folder: str) -> Iterator[Running]:
    """Mount the client's root on a folder of the jail; yields the sshfs process, to be watched.

    Raises the errors of `ssh.diagnose.from_ssh`, MountFailed, NoMountPrivilege.
    """
    target = jail.spec.root + folder
    words = ["sshfs", "-f", "-F", str(config.path), "-o", options(), f"{ALIAS}:/", target]
    with running(jail.namespace.enter(*words), name="sshfs", grace=5) as sshfs:
        deadline = time.monotonic() + MOUNT_SECONDS
        while not _is_mounted(jail, target):
            if not sshfs.alive():
                raise _why(sshfs, config)
            if time.monotonic() > deadline:
                raise MountFailed(f"sshfs did not mount {config.target} within {MOUNT_SECONDS:g} s")
            time.sleep(0.02)
        yield sshfs


def _is_mounted(jail: Jail, target: str) -> bool:
    words = (line.split(" ") for line in jail.namespace.mounts().splitlines())
    return any(fields[4] == target for fields in words)


def _why(sshfs: Running, config: SshConfig) -> Exception:
    text = sshfs.stderr()
    if "mount failed" in text or "fuse:" in text:
        return privilege_error(CommandError(["sshfs"], 1, text))
    return from_ssh(text, config.target)
