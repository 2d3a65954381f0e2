"""Units that serve a client's repository at a socket, to a borg that the user starts there."""

from __future__ import annotations

from borgpull.errors import UsageError


def render(client: str, folder: str, image: str, borg: str | None) -> str:
    """The socket and its service (systemd.socket(5)), as borg's documentation suggests them.

    MaxConnections is not 1: systemd would drop a client that connects while the last container
    ends. borg's own lock lets only one client write at a time. Raises UsageError.
    """
    for word in (folder, image, borg or ""):
        if not word.isprintable():
            raise UsageError(f"not for a line of a unit: {word!r}", hint="use text in UTF-8")
    words = ["serve", "--append-only", "--restrict-to-repository"]
    if borg is None:
        words = [
            *("/usr/bin/docker", "run", "--rm", "-i", "--network", "none", "--cap-drop", "ALL"),
            *("--cap-add", "DAC_OVERRIDE", "--cap-add", "CHOWN", "--cap-add", "FOWNER"),
            *("--security-opt", "no-new-privileges", "--read-only", "--tmpfs", "/tmp"),  # noqa: S108 - in the container
            *("-v", f"{folder}:/repo", "--entrypoint", "borg", image, *words, f"/repo/{client}"),
        ]
    else:
        words = [borg, *words, f"{folder}/{client}"]
    start = " ".join(f'"{word}"' if " " in word else word.replace("%", "%%") for word in words)
    return f"""\
# /etc/systemd/system/borgpull-{client}.socket
[Unit]
Description=borg repository of {client}

[Socket]
ListenStream=/run/borgpull/{client}.sock
SocketMode=0600
DirectoryMode=0700
Accept=yes
MaxConnections=8
RemoveOnStop=yes

[Install]
WantedBy=sockets.target

# /etc/systemd/system/borgpull-{client}@.service
[Unit]
Description=borg serve for {client}

[Service]
Type=simple
ExecStart={start}
StandardInput=socket
StandardOutput=socket
StandardError=journal
TimeoutStopSec=60"""
