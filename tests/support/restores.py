"""What tests of restores share: targets, and comparisons by tools that are not ours."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.lab import IMAGE, TIMEOUT, Client, Completed, Lab, docker

TREE, INTO = "/srv/data", "/srv/hostile"  # both are volumes; the second is free here
RSYNC = f"borgpull-test-rsync-{os.getpid()}"  # tests may run in several processes
# What no restore by borg 1.4 can avoid: it stores no sockets, and only times from 1970 to 2038
# (helpers/time.py).
UNAVOIDABLE = [
    ".f..t...... times/after-2038",
    ".f..t...... times/before-1970",
    "cS+++++++++ special/socket",
]
UNAVOIDABLE_BY_MTREE = [
    "missing: ./special/socket",
    "times/after-2038: modification time",
    "times/before-1970: modification time",
]
_KEYS = "type,uname,gname,mode,nlink,size,time,link,sha256,device"


def cut_when(target: Client, folder: str, number: int, process: str) -> None:
    """From now on the target's own shell looks, and kills once as many files are there.

    A look by `docker exec` comes too late where the engine is busy. `process` is a pattern of the
    command line's begin.
    """
    script = f"""
        until [ "$(ls {folder} 2>/dev/null | wc -l)" -ge {number} ]; do sleep 0.02; done
        for p in /proc/[0-9]*; do
          grep -qa '^{process}' $p/cmdline && kill -9 ${{p#/proc/}}
        done"""
    target.exec("sh", "-c", script, detach=True)


@contextmanager
def rsync_image() -> Iterator[str]:
    script = "apt-get update && apt-get install -y --no-install-recommends mtree-netbsd rsync"
    script += " && find /var/lib/apt/lists -type f -delete"
    # Not by standard input: docker's client leaves files in /tmp then.
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "Dockerfile").write_text(f"FROM borgpull-client\nRUN {script}\n")
        docker("build", "-q", "-t", RSYNC, folder)
    try:
        yield RSYNC
    finally:
        docker("rmi", "--force", RSYNC)


def saved(lab: Lab) -> Client:
    """A client with one archive, `all`, of the seeded tree."""
    client = lab.client(MANY="300")
    lab.pull("pipe", client, "--archive", "all", TREE)
    return client


def volume(client: Client, path: str) -> str:
    mounts = json.loads(docker("inspect", "-f", "{{json .Mounts}}", client.name))
    return str(next(item["Name"] for item in mounts if item["Destination"] == path))


def differences(
    rsync: str,
    source: Client,
    target: Client,
    below: str = TREE,
    into: str = INTO,
    window: int = -1,
) -> list[str]:
    """What rsync would have to do to the target, with ACLs and xattrs.

    A `window` of -1 is to the nanosecond, 0 to the second.
    """
    return compared(rsync, volume(source, TREE), volume(target, into), below, window)


def compared(
    rsync: str,
    source: str,
    target: str,
    below: str,
    window: int = -1,
    ids: Sequence[str] = ("--numeric-ids",),
) -> list[str]:
    """The same for volumes, or folders of this machine. `ids`: how rsync maps users and groups."""
    flags = ("-aHAXn", *ids, "--checksum", "--delete", "--itemize-changes")
    mounts = ["-v", f"{source}:/a:ro", "-v", f"{target}:/b:ro"]
    words = ["--entrypoint", "rsync", rsync, *flags, f"--modify-window={window}"]
    command = [*words, "/a/", f"/b{below}/"]
    return sorted(docker("run", "--rm", *mounts, *command).splitlines())


def by_mtree(image: str, lab: Lab, source: Client, target: Client) -> list[str]:
    """What NetBSD's mtree finds different on the target, where each user has the name of before.

    The target's own passwd and group say which ids these names have there.
    """
    made = docker(*_mtree(image, lab, source, TREE, "-c", "-p", "/a"))
    # Its comments have names as they are. A newline in one of the seed's makes a line of its own.
    made = re.sub(r"^# .*\n(-two lines\n)?", "", made, flags=re.MULTILINE)
    spec = lab.folder / "source.mtree"
    spec.write_text(made, errors="surrogateescape")  # names are bytes
    run = _mtree(image, lab, target, INTO, "-f", "/spec", "-p", f"/a{TREE}", mount=spec)
    said = docker(*run, check=False)  # 2: there is a difference
    lines = re.sub(r"\n\t", " ", said).splitlines()  # what differs follows a long name
    return sorted(" ".join(line.partition(" (")[0].split()) for line in lines)


def _mtree(
    image: str, lab: Lab, client: Client, path: str, *words: str, mount: Path | None = None
) -> list[str]:
    names = [word for name in ("passwd", "group") for word in lab.copy(client, name)]
    mounts = ["-v", f"{volume(client, path)}:/a:ro", *names]
    mounts += ["-v", f"{mount}:/spec:ro"] if mount else []
    return ["run", "--rm", *mounts, "--entrypoint", "mtree", image, "-k", _KEYS, *words]


def restore(lab: Lab, source: Client, target: Client, *words: str) -> Completed:
    """By native, unless another way is named: the target need not have a Python."""
    words = words if "--how" in words else (*words, "--how", "native")
    to = f"{target.address}:{INTO}"
    return lab.plain("restore", "--json", source.name, "--to", to, *words)


def ok(done: Completed) -> dict[str, Any]:
    assert done.rc == 0, done.stdout[-3000:] + done.stderr
    data: dict[str, Any] = done.result["data"]
    return data


# What would lead a careless program out of its folder.
HOSTILE = [  # name, what it is, and what it links to
    ("l", tarfile.SYMTYPE, "/srv/out"),
    ("l/through", tarfile.REGTYPE, ""),
    ("h", tarfile.LNKTYPE, "../../../etc/passwd"),
    ("good", tarfile.DIRTYPE, ""),
    ("good/file", tarfile.REGTYPE, ""),
    ("s", tarfile.SYMTYPE, "good"),
    ("s/through", tarfile.REGTYPE, ""),
]


def import_tar(
    lab: Lab, client: Client, archive: str, members: list[tuple[str, bytes, str]]
) -> None:
    """An archive such as no borg create makes."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, kind, link in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mtime = kind, link, 1_000_000_000
            info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
            tar.addfile(info)
    _borg(lab, client, ["borg", "import-tar", f"::{archive}", "-"], made.getvalue())


# borg stores no time before 1970 and after 2038; others have, and a client may.
FAR = "from borg import archive, archiver; archive.safe_ns = lambda ns: ns; archiver.main()"


def far_archive(lab: Lab, client: Client, archive: str) -> None:
    """The client's tree with the times that it has."""
    words = [
        "sh",
        "-c",
        'cd /tree && exec python3 -c "$0" "$@"',
        FAR,
        "create",
        f"::{archive}",
        ".",
    ]
    _borg(lab, client, words, mounts=["-v", f"{volume(client, TREE)}:/tree:ro"])


def repaired(lab: Lab, client: Client) -> None:
    """`borg check --repair`: files with lost chunks get zeros in their places."""
    words = ["env", "BORG_CHECK_I_KNOW_WHAT_I_AM_DOING=YES", "borg", "check", "--repair"]
    _borg(lab, client, words)


def set_flags(client: Client, **flags: int) -> None:
    """Flags of linux/fs.h for files of TREE; the client may set none itself."""
    call = "fcntl.ioctl(open(sys.argv[1]), 0x40086602, bytes([int(sys.argv[2])]) + bytes(7))"
    code = f"import fcntl, sys; {call}"
    mount = f"{volume(client, TREE)}:/a"
    for name, number in flags.items():
        docker(
            *("run", "--rm", "--cap-add", "LINUX_IMMUTABLE", "-v", mount),
            *("--entrypoint", "python3", IMAGE, "-c", code, f"/a/{name}", str(number)),
        )


def _borg(
    lab: Lab,
    client: Client,
    words: Sequence[str],
    data: bytes = b"",
    mounts: Sequence[str] = (),
) -> None:
    """A command with the client's repository and passphrase, in our image."""
    argv = ["docker", "run", "--rm", "-i", "--label", lab.label, "-v", f"{lab.repo}:/repo", *mounts]
    argv += ["-v", f"{lab.key.parent / 'passphrase'}:/run/secrets/passphrase:ro"]
    argv += ["-e", f"BORG_REPO=/repo/{client.name}", "-e", "BORG_RELOCATED_REPO_ACCESS_IS_OK=yes"]
    script = 'exec 5</run/secrets/passphrase; export BORG_PASSPHRASE_FD=5; exec "$@"'
    command = ["--entrypoint", "bash", IMAGE, "-c", script, "bash", *words]
    subprocess.run([*argv, *command], input=data, check=True, timeout=TIMEOUT)
    if lab.owner is not None:  # it ran as root
        own = f"{lab.owner}:{lab.owner}"
        subprocess.run(["chown", "-R", own, str(lab.repo)], check=True, timeout=60)
