"""The image: small, labelled, without secrets, and of use to a user who is not root."""

from __future__ import annotations

import json
import subprocess
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
    lines = inside("sh", "-c", "ldd $(command -v python3) | grep -o '/[^ ]*'; command -v borg")
    for line in lines.split():
        real = inside("readlink", "-f", line).strip()
        assert real.startswith("/usr/"), real


def test_no_host_keys_and_no_private_key() -> None:
    found = inside(
        "find", "/", "-xdev", "-name", "ssh_host_*", "-o", "-name", "id_*", "-path", "*ssh*"
    )
    assert not found.strip()


def test_the_build_secret_is_in_no_layer() -> None:
    bundle = Path("/etc/ssl/certs/ca-certificates.crt")
    assert "PIP_CERT" not in " ".join(inspect()["Config"]["Env"])
    listing = inside("sh", "-c", "ls -A /run/secrets; find / -xdev -size +150k -name '*cert*'")
    assert bundle.name not in listing
    assert not listing.split()


@pytest.mark.parametrize("command", [["version"], ["--help"], ["render", "seccomp"]])
def test_works_without_any_privilege(command: list[str]) -> None:
    assert docker("run", "--rm", *RESTRICTED, IMAGE, *command)
