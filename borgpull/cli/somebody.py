"""A name for the user id that the container runs as: ssh, ssh-keygen and sshd need one.

A platform or a NAS chooses the id (`docker run --user 1026:100`). The image's /etc/passwd cannot
know the id, and on a read-only root it cannot be written. nss_wrapper(1) gives this process and its
children a passwd of their own, in memory: the image's and one line more. No other process sees it.
"""

from __future__ import annotations

import os
import pwd
import sys

LIBRARY = "libnss_wrapper.so"
PASSWD, GROUP = "NSS_WRAPPER_PASSWD", "NSS_WRAPPER_GROUP"


def be_somebody() -> None:
    """Start this process anew with a name if its user has none, else return."""
    uid = os.geteuid()
    if PASSWD in os.environ or _known(uid):
        return
    # The file must outlive exec. Its path holds the id of this process, which stays the same.
    file = os.memfd_create("passwd", 0)
    with open("/etc/passwd", "rb") as known:
        os.write(file, known.read() + line(uid, os.getegid()).encode())
    os.environ["LD_PRELOAD"] = LIBRARY
    os.environ[PASSWD] = f"/proc/{os.getpid()}/fd/{file}"
    os.environ[GROUP] = "/etc/group"
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - it is ourselves


def line(uid: int, gid: int) -> str:
    """The line of passwd(5), in the form of the image's own user."""
    return f"borgpull-{uid}:x:{uid}:{gid}::/:/bin/sh\n"


def _known(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
