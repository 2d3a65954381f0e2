"""The image: small, labelled, without secrets, and of use to a user who is not root."""

from __future__ import annotations

import io
import json
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.lab import IMAGE, docker

pytestmark = pytest.mark.docker

MAX_BYTES = 200e6
# What a pod under the strictest policy gets.
RESTRICTED = [
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
    *("--read-only", "--tmpfs", "/tmp", "--user", "1000:1000"),
]


def inspect() -> dict[str, Any]:
    return dict(json.loads(docker("image", "inspect", IMAGE))[0])


def inside(*argv: str) -> str:
    return docker("run", "--rm", "--entrypoint", argv[0], IMAGE, *argv[1:])


def test_small() -> None:
    assert inspect()["Size"] < MAX_BYTES


def test_annotations_and_entry_point() -> None:
    config = inspect()["Config"]
    labels = config["Labels"]
    for name in ("title", "description", "licenses", "version", "revision"):
        assert labels[f"org.opencontainers.image.{name}"]
    assert config["Entrypoint"] == ["/usr/bin/tini", "--", "borgpull"]
    assert not config["Volumes"]


_NOT_COMPILED = """
import importlib.util, pathlib, struct
for root in ("/usr/lib/python3.13", "/usr/local/lib/python3.13"):
    for path in pathlib.Path(root).rglob("*.py"):
        compiled = pathlib.Path(importlib.util.cache_from_source(str(path)))
        head = compiled.read_bytes()[:16] if compiled.exists() else bytes(16)
        flags, seconds, size = struct.unpack("<4xIII", head)
        if not flags and (seconds, size) != (int(path.stat().st_mtime), path.stat().st_size):
            print(path)
"""


def test_each_module_is_compiled() -> None:
    """A layer that changes a file's time would cost each start a second. Nothing can be written."""
    assert inside("python3", "-c", _NOT_COMPILED) == ""


def test_versions() -> None:
    assert inside("borg", "--version").strip() == "borg 1.4.5"
    done = subprocess.run(
        ["docker", "run", "--rm", "--entrypoint", "sshfs", IMAGE, "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "no_contain_symlinks" in done.stdout + done.stderr, "not the patched sshfs"
    assert inside("socat", "-V").startswith("socat")


def test_everything_a_jail_needs_lies_below_usr() -> None:
    """The jail binds /usr and nothing else of the image."""
    needed = "ldd $(command -v python3) | grep -o '/[^ ]*'; command -v borg"
    found = inside("sh", "-c", f"{{ {needed}; }} | xargs readlink -f").split()
    assert len(found) > 3
    for real in found:
        assert real.startswith("/usr/"), real


def layers() -> Iterator[tuple[str, bytes]]:
    """Every file of every layer, those that a later layer hides too."""
    with (
        subprocess.Popen(["docker", "save", IMAGE], stdout=subprocess.PIPE) as saved,
        tarfile.open(fileobj=saved.stdout, mode="r|") as image,
    ):
        for member in image:
            file = image.extractfile(member) if member.isfile() else None
            # the names of layers differ by engine; beside them there are only a few JSON files
            blob = file.read() if file else b""
            if tarfile.is_tarfile(io.BytesIO(blob)):
                yield from files_of(blob)
    assert saved.returncode == 0


def files_of(blob: bytes) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(blob)) as layer:
        for entry in layer:
            file = layer.extractfile(entry) if entry.isfile() else None
            if file is not None:
                yield entry.name, file.read()


def test_no_layer_holds_a_key_or_the_build_secret() -> None:
    """Neither host keys of the server package, nor the CA bundle that the build was given."""
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    bodies = bundle.read_text().split("-----")[2::4] if bundle.exists() else []
    secret = {body.strip().encode() for body in bodies}
    seen = 0
    for name, content in layers():
        seen += 1
        assert "ssh_host_" not in name
        assert not re.match(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\n", content), name
        if b"-----BEGIN CERTIFICATE-----\n" in content:
            assert not any(body in content for body in secret), name
    assert seen > 1000, "no layers read"
    assert "PIP_CERT" not in " ".join(inspect()["Config"]["Env"])
    assert not inside("ls", "-A", "/run/secrets").split()


def test_ssh_runs_without_root() -> None:
    """It refuses a user id that has no name."""
    done = subprocess.run(
        ["docker", "run", "--rm", *RESTRICTED, "--entrypoint", "ssh", IMAGE, "-V"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [["version"], ["--help"], ["render", "seccomp"]])
def test_works_without_any_privilege(command: list[str]) -> None:
    assert docker("run", "--rm", *RESTRICTED, IMAGE, *command)
