"""sshfs in the job's namespaces, in the foreground, watched; writable for restores only."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from borgpull.errors import BorgpullError, MountFailed, NoMountPrivilege
from borgpull.jail.jail import Jail
from borgpull.jail.namespace import privilege_error
from borgpull.process import CommandError, Running, run, running
from borgpull.ssh import sftp
from borgpull.ssh.config import ALIAS, SshConfig
from borgpull.ssh.diagnose import from_ssh

MOUNT_SECONDS = 60.0


def options(*, writable: bool) -> str:
    """The mount options of a backup, or of a restore.

    No `reconnect`: it hides drops and makes errors inconsistent (libfuse/sshfs#3, #223).
    `no_contain_symlinks`: without it, every absolute or `..` symlink reads as EPERM and is not in
    the archive (CVE-2026-47187's fix). It is safe here: no program of ours resolves those links. A
    restore need not read them.
    """
    names = ["nodev", "nosuid", "noexec", "max_read=65536", "dcache_max_size=100000"]
    if not writable:
        names.append("ro")
        help_text = run(["sshfs", "--help"], timeout=10, check=False)
        if "no_contain_symlinks" in help_text.stdout.decode() + help_text.stderr:
            names.append("no_contain_symlinks")  # builds from before the fix lack it
    return ",".join(names)


@contextmanager
def mounted(
    jail: Jail,
    config: SshConfig,
    folder: str,
    *,
    writable: bool = False,
    follow: bool = False,
    again: bool = False,
) -> Iterator[Running]:
    """Mount the client's root on a folder of the jail; yields the sshfs process, to be watched.

    No symlink on the mount is followed: the client's could lead into the jail. With `follow`, they
    are followed until `follow_no_symlinks`. `again`: this run has mounted it before, so it fails
    only if the connection breaks.

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
                raise _why(sshfs, config, again=again)
            if time.monotonic() > deadline:
                raise MountFailed(f"sshfs did not mount {config.target} within {MOUNT_SECONDS:g} s")
            time.sleep(0.02)
        if not follow:
            follow_no_symlinks(jail, folder, writable=writable)
        yield sshfs


def follow_no_symlinks(jail: Jail, folder: str, *, writable: bool = False) -> None:
    """Have the kernel follow no symlink of a mount, though it can still be read as one.

    Linux before 5.10 cannot (mount(8)). A read-only mount does without: borg and our programs open
    files with O_NOFOLLOW only. Raises NoMountPrivilege for a writable mount.
    """
    target = jail.spec.root + folder
    flags = "nosymfollow,nodev,nosuid,noexec" + ("" if writable else ",ro")
    try:
        run(jail.namespace.enter("mount", "-o", f"remount,bind,{flags}", target), timeout=10)
    except CommandError as error:
        if writable:
            raise privilege_error(error) from None
        return
    if writable and "nosymfollow" not in _mount_of(jail, target)[5].split(","):
        raise NoMountPrivilege(
            "the kernel here cannot keep a restore from following symlinks",
            hint="it needs Linux 5.10; or restore with --how native or tar",
        )


def _mount_of(jail: Jail, target: str) -> list[str]:
    """The mount's fields in mountinfo (proc_pid_mountinfo(5)); none if nothing is mounted."""
    words = (line.split(" ") for line in jail.namespace.mounts().splitlines())
    return next((fields for fields in words if fields[4] == target), [])


def _why(sshfs: Running, config: SshConfig, *, again: bool) -> Exception:
    text = sshfs.stderr()
    if "mount failed" in text or "fuse:" in text:
        return privilege_error(CommandError(["sshfs"], 1, text))
    if again:
        return from_ssh(text, config.target, connected=True)
    try:  # sftp may say more than "remote host has disconnected"
        sftp.fetch(config, config.path.parent)
    except BorgpullError as error:
        return error
    return from_ssh(text, config.target, via=config.via)
