"""Build the project's images: `build_images.py [NAME…]`, all of them without a name."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from python_on_whales import DockerException
from python_on_whales import docker as whales

ROOT = Path(__file__).resolve().parent.parent
# Image to build context; the product's own comes first because tests start with it.
IMAGES = {
    "borgpull": ROOT,
    "borgpull-client": ROOT / "images" / "client",
    "borgpull-borg12-client": ROOT / "images" / "client",
    "borgpull-debian11-client": ROOT / "images" / "client",
    "borgpull-debian13-client": ROOT / "images" / "client",
    "borgpull-busybox-client": ROOT / "images" / "busybox-client",
}
# What the clients are built with, beside what all of them have.
CLIENTS = {
    "borgpull-borg12-client": {"SYSTEM": "older", "PACKAGES": "borgbackup"},
    "borgpull-debian11-client": {
        "SYSTEM": "older",
        "CODENAME": "bullseye",
        "PACKAGES": "python3",
    },
    "borgpull-debian13-client": {"PACKAGES": "busybox fish python3"},
}
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


def main() -> None:
    for name in sys.argv[1:] or IMAGES:
        started = time.monotonic()
        build(name)
        size = whales.image.inspect(name).size / 1e6
        print(f"{name}: {size:.0f} MB, {time.monotonic() - started:.0f} s", flush=True)


def build(name: str) -> None:
    """Raises SystemExit if it fails twice.

    An engine may have lost a layer that its build cache still names ("stat …/overlay2/…: no such
    file or directory"). BuildKit forgets that one then. And a download may break.
    """
    try:
        build_once(name)
    except DockerException as first:
        print(f"build of {name} failed, once more: {first}", file=sys.stderr, flush=True)
        try:
            build_once(name)
        except DockerException as error:
            raise SystemExit(f"build of {name} failed: {error}") from None


def build_once(name: str) -> None:
    """Raises DockerException."""
    # A secret, so that a proxy's certificate authority is never in a layer.
    secrets = [f"id=ca,src={CA_BUNDLE}"] if CA_BUNDLE.exists() else []
    whales.buildx.build(
        IMAGES[name],
        tags=[f"{name}:latest"],
        secrets=secrets,
        build_args=build_args(name),
        load=True,
        progress="plain",
    )


def build_args(name: str) -> dict[str, str]:
    if name == "borgpull":
        return {"REVISION": revision()}
    return CLIENTS.get(name, {})


def revision() -> str:
    argv = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
