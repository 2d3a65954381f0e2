"""`make demo`: the main job on real parts, step by step, and nothing left of it.

A client with sshd and a seeded tree comes up. The host's command uses its docker launcher. It
trusts the client's host key, makes a repository, backs the client up twice, lists the archive,
takes a file out again, and drills a restore of a good and of a spoilt repository.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from python_on_whales import DockerClient

from borgpull.drills import flip

ROOT = Path(__file__).resolve().parent.parent
BORGPULL = Path(sys.executable).with_name("borgpull")
CLIENT = "web1"
ADDRESS = f"root@{CLIENT}"
PATHS = ["/srv/data", "/home", "/root"]
NETWORK = f"borgpull-demo-{os.getpid()}"
DIFFERS = 90  # the exit code of a drill that has found something
SAMPLE = "srv/data/files/plain.txt"


class Demo:
    """The demo's folder, and the product's command in it."""

    def __init__(self, folder: Path, whales: DockerClient) -> None:
        self.folder, self.whales = folder, whales
        self.env = {
            **os.environ,
            "BORGPULL_REPO": str(folder / "repo"),
            "BORGPULL_STATE": str(folder / "state"),
            "BORGPULL_SSH_KEY": str(folder / "key"),
            "BORGPULL_PASSPHRASE_FILE": str(folder / "passphrase"),
            "BORGPULL_NETWORK": NETWORK,
        }

    def show(self, *args: str, code: int = 0) -> None:
        """Run the command for the eye; another exit code ends the demo."""
        print(f"\n$ borgpull {' '.join(args)}", flush=True)
        done = subprocess.run([BORGPULL, *args], env=self.env, check=False)
        if done.returncode != code:
            fail(f"borgpull {args[0]} ended with {done.returncode}")

    def output(self, *args: str) -> bytes:
        done = subprocess.run([BORGPULL, *args], env=self.env, capture_output=True, check=False)
        if done.returncode != 0:
            fail(f"borgpull {args[0]}: {done.stderr.decode(errors='replace')}")
        return done.stdout

    def volumes(self) -> set[str]:
        """The client's: anonymous ones, so that only their names tell whose they are."""
        mounts = self.whales.compose.ps()[0].mounts
        return {mount.name for mount in mounts if mount.type == "volume" and mount.name}

    def on_client(self, *argv: str) -> str:
        return str(self.whales.compose.execute(CLIENT, list(argv), tty=False))


def main() -> None:
    signal.signal(signal.SIGTERM, terminated)
    started, mounts = time.monotonic(), sshfs_mounts()
    with demo() as it:
        title("1. Trust: the fingerprint, read on the client's own console, and pinned")
        line = it.on_client("ssh-keygen", "-lf", "/run/sshd-keys/ssh_host_ed25519_key.pub")
        print(line)
        it.show("trust", ADDRESS, "--fingerprint", line.split()[1])

        title("2. A repository, and the first backup")
        it.show("init", CLIENT)
        it.show("stream", ADDRESS, *PATHS)

        title("3. The second backup reads nothing again")
        archive = backup_again(it)

        title("4. What is in it, with the client's user names")
        it.show("list", CLIENT)
        show_owners(it)

        title("5. A file, taken out again")
        print(f"\n$ borgpull borg {CLIENT} -- extract --stdout ::{archive} {SAMPLE}")
        restored = it.output("borg", CLIENT, "--", "extract", "--stdout", f"::{archive}", SAMPLE)
        if restored.decode() != it.on_client("cat", "/" + SAMPLE) + "\n":
            fail(f"/{SAMPLE} differs")
        print(f"/{SAMPLE}: the same, byte for byte")

        title("6. A drill: a real restore, compared with what the client had")
        it.show("drill", CLIENT)
        print("\nThe same, after one bit of the repository was flipped:")
        spoil(it.folder / "repo" / CLIENT)
        it.show("drill", CLIENT, code=DIFFERS)
        volumes = it.volumes()

    title("7. Nothing is left")
    left = [*(sshfs_mounts() - mounts), *docker_left(volumes)]
    left += [str(it.folder)] if it.folder.exists() else []
    if left:
        fail(f"left behind: {', '.join(left)}")
    print("no container, network, volume, mount or file")
    print(f"\nThe demo took {time.monotonic() - started:.0f} s.")


def terminated(signum: int, _frame: FrameType | None) -> None:
    """SIGTERM unwinds like any other end, so that everything is cleaned up."""
    raise SystemExit(128 + signum)


@contextlib.contextmanager
def demo() -> Iterator[Demo]:
    """The client under way, and a folder; both are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="borgpull-demo-") as name:
        folder = Path(name)
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")]
        subprocess.run(keygen, check=True)
        (folder / "passphrase").write_text(os.urandom(16).hex() + "\n")
        (folder / "env").write_text(f"DEMO_KEY={folder / 'key.pub'}\nDEMO_NETWORK={NETWORK}\n")
        whales = DockerClient(
            compose_files=[ROOT / "compose" / "demo.yaml"],
            compose_env_files=[folder / "env"],
            compose_project_name=NETWORK,
        )
        try:
            whales.compose.up(detach=True, quiet=True)
            it = Demo(folder, whales)
            await_seed(it)
            yield it
        finally:
            await_sidecars()
            whales.compose.down(volumes=True, timeout=2, quiet=True)
            if os.geteuid() != 0:  # the sidecar writes the repository as root
                empty_as_root(folder)


def await_sidecars() -> None:
    """After an interrupt a sidecar may still unwind; it notices by itself that we are gone."""
    filters = ["--filter", "label=borgpull.job", "--filter", f"network={NETWORK}"]
    deadline = time.monotonic() + 60
    while docker("ps", "-q", *filters).strip() and time.monotonic() < deadline:
        time.sleep(0.2)


def empty_as_root(folder: Path) -> None:
    mount = ["-v", f"{folder}:/demo", "--entrypoint", "find"]
    docker("run", "--rm", *mount, "borgpull", "/demo", "-mindepth", "1", "-delete")


def docker(*args: str) -> str:
    done = subprocess.run(["docker", *args], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def sshfs_mounts() -> set[str]:
    """On this machine; the user's own may be among them."""
    lines = Path("/proc/mounts").read_text().splitlines()
    return {line for line in lines if "fuse.sshfs" in line}


def docker_left(volumes: set[str]) -> list[str]:
    """What there is of the demo's: containers on its network, the network, the client's volumes."""
    containers = docker("ps", "-aq", "--filter", f"network={NETWORK}").split()
    networks = docker("network", "ls", "-q", "--filter", f"name={NETWORK}").split()
    return [*containers, *networks, *volumes.intersection(docker("volume", "ls", "-q").split())]


def await_seed(it: Demo) -> None:
    """Until sshd listens, which is once the tree is seeded."""
    deadline = time.monotonic() + 60
    while "yes" not in it.on_client("sh", "-c", "[ -e /run/sshd.pid ] && echo yes || echo no"):
        if time.monotonic() > deadline:
            fail("the demo's client does not come up")
        time.sleep(0.2)


def backup_again(it: Demo) -> str:
    """The second backup; nothing but empty files may have been read. Returns the archive's name."""
    print(f"\n$ borgpull stream --json {ADDRESS} {' '.join(PATHS)}", flush=True)
    lines = it.output("stream", "--json", ADDRESS, *PATHS).splitlines()
    data: dict[str, Any] = json.loads(lines[-1])["data"]
    sizes = [int(it.on_client("stat", "-c", "%s", path)) for path in data["read_paths"]]
    if data["files_read"] != len(sizes) or any(sizes):
        fail(f"read again: {data['read_paths']}")
    print(f"archive {data['archive']} is verified")
    print(f"  {data['files_unchanged']} files unchanged, 0 bytes read again")
    print(f"  read: {', '.join(data['read_paths']) or 'none'} (empty on the client)")
    for name, count in data["losses"].items():
        print(f"  not carried: {name.replace('_', ' ')}: {count}")
    return str(data["archive"])


def show_owners(it: Demo) -> None:
    """A few lines of the archive; its owners are the client's, whom this machine does not know."""
    lines = it.output("list", CLIENT, "latest").decode().splitlines()
    shown = [line for line in lines if "alice" in line or "crew" in line][:6]
    if not shown:
        fail("the archive does not hold the client's user names")
    print("\n".join(shown))


def spoil(repository: Path) -> None:
    """Change one bit of it."""
    if os.geteuid() == 0:
        flip.flip_within(repository)
        return
    # The sidecar has written it as root.
    mount = ["-v", f"{repository}:/spoil", "--entrypoint", "python3"]
    program = f"import pathlib; from {flip.__name__} import flip_within as spoil"
    docker("run", "--rm", *mount, "borgpull", "-c", f"{program}; spoil(pathlib.Path('/spoil'))")


def title(text: str) -> None:
    print(f"\n== {text}", flush=True)


def fail(text: str) -> None:
    raise SystemExit(f"demo: {text}")


if __name__ == "__main__":
    main()
