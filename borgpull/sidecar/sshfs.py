"""sshfs, in the foreground, watched, in the job's namespaces; read-only but for restores."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from borgpull.errors import MountFailed, NoMountPrivilege
from borgpull.process import CommandError, Running, run, running
from borgpull.sidecar.jail import Jail
from borgpull.sidecar.namespace import privilege_error
from borgpull.ssh.config import ALIAS, SshConfig
from borgpull.ssh.diagnose import from_ssh

MOUNT_SECONDS = 60.0


def options(*, writable: bool) -> str:
    """The mount options of a backup, or of a restore.

    No `reconnect`: it hides drops and makes errors inconsistent (libfuse/sshfs#3, #223).
    `no_contain_symlinks`: without it every absolute or `..` symlink reads as EPERM and is not in
    the archive (CVE-2026-47187's fix). It is safe here: nothing of ours resolves those links. A
    restore has no need to read them.
    """
    names = ["nodev", "nosuid", "noexec", "max_read=65536", "dcache_max_size=100000"]
    if not writable:
        names.append("ro")
        help_text = run(["sshfs", "--help"], timeout=10, check=False)
        if "no_contain_symlinks" in help_text.stdout.decode() + help_text.stderr:
            names.append("no_contain_symlinks")  # builds from before the fix do not know it
    return ",".join(names)


@contextmanager
def mounted(
    jail: Jail, config: SshConfig, folder: str, *, writable: bool = False
) -> Iterator[Running]:
    """Mount the client's root on a folder of the jail; yields the sshfs process, to be watched.

    What is writable follows no symlink: the client's could lead into the jail.

    Raises the errors of `ssh.diagnose.from_ssh`, MountFailed, NoMountPrivilege.
    """
    target = jail.spec.root + folder
    words = [
        "sshfs",
        "-f",
        "-F",
        str(config.path),
        "-o",
        options(writable=writable),
        f"{ALIAS}:/",
        target,
    ]
    with running(jail.namespace.enter(*words), name="sshfs", grace=5) as sshfs:
        deadline = time.monotonic() + MOUNT_SECONDS
        while not _mount_of(jail, target):
            if not sshfs.alive():
                raise _why(sshfs, config)
            if time.monotonic() > deadline:
                raise MountFailed(f"sshfs did not mount {config.target} within {MOUNT_SECONDS:g} s")
            time.sleep(0.02)
        if writable:
            _follow_no_symlinks(jail, target)
        yield sshfs


def _follow_no_symlinks(jail: Jail, target: str) -> None:
    """Raises NoMountPrivilege where the kernel cannot: it is older than 5.10 (mount(8))."""
    words = ("mount", "-o", "remount,bind,nosymfollow,nodev,nosuid,noexec", target)
    try:
        run(jail.namespace.enter(*words), timeout=10)
    except CommandError as error:
        raise privilege_error(error) from None
    if "nosymfollow" not in _mount_of(jail, target)[5].split(","):
        raise NoMountPrivilege(
            "the kernel here cannot keep a restore from following symlinks",
            hint="it needs Linux 5.10; or restore with --how native or tar",
        )


def _mount_of(jail: Jail, target: str) -> list[str]:
    """Its fields in mountinfo (proc_pid_mountinfo(5)); none where nothing is mounted."""
    words = (line.split(" ") for line in jail.namespace.mounts().splitlines())
    return next((fields for fields in words if fields[4] == target), [])


def _why(sshfs: Running, config: SshConfig) -> Exception:
    text = sshfs.stderr()
    if "mount failed" in text or "fuse:" in text:
        return privilege_error(CommandError(["sshfs"], 1, text))
    return from_ssh(text, config.target)
