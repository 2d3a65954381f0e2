"""The security options of a container, in the words of `docker run`, compose and podman."""

from __future__ import annotations

from borgpull.launchers.needs import Needs

# SELinux denies a container the host's files. A new label on the user's key and repository would
# affect all other programs, too (docker run(1), :z). So this container gets no label. Without
# SELinux, the engine ignores that.
COMMON_SECURITY = ("no-new-privileges", "label=disable")


def security(wanted: Needs, profile: str) -> list[str]:
    """docker run(1), --security-opt; `profile` is the seccomp profile or its file, "" for none."""
    found = ["apparmor=unconfined"] if wanted.mounts else []
    return [*found, *COMMON_SECURITY, *([f"seccomp={profile}"] if profile else [])]
