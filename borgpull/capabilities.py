"""The rights of this process beyond those of its user (capabilities(7))."""

from __future__ import annotations

from pathlib import Path

# Their bits (linux/capability.h).
CHOWN, DAC_OVERRIDE, FOWNER, FSETID, MKNOD, SETFCAP = 0, 1, 3, 4, 27, 31
SETGID, SETUID, SYS_CHROOT, SYS_ADMIN = 6, 7, 18, 21


def has(capability: int) -> bool:
    """Is a capability among the effective ones (proc_pid_status(5))?"""
    status = Path("/proc/self/status").read_text()
    return bool(int(status.partition("CapEff:")[2].split()[0], 16) >> capability & 1)
