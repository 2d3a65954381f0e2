"""`make bench`: our sshfs job against the recipe by hand and against borg on the client, as ratios.

Everything runs in containers of the image `borgpull` on one machine, through a proxy that adds the
round trip. Same tree, same borg, no encryption, lz4. Each job is timed inside its container: what
Docker needs to start one is the same for all and is left out.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IMAGE = "borgpull"
ID = f"bench{os.getpid()}"
ROUND_TRIPS = (0, 20)  # milliseconds
FILES = int(os.environ.get("BENCH_FILES", "1000"))
# Unchanged runs are the daily business: the median of several.
UNCHANGED_RUNS = int(os.environ.get("BENCH_RUNS", "3"))

_TREE = f"""
import os, random
random.seed(1)
for i in range({FILES}):
    folder = f'/srv/data/{{i // 20:04}}'
    os.makedirs(folder, exist_ok=True)
    path = f'{{folder}}/{{i}}'
    open(path, 'wb').write(random.randbytes(4096))
    os.utime(path, (1600000000 + i, 1600000000 + i))
for name in 'ab':
    open(f'/srv/data/{{name}}', 'wb').write(random.randbytes(32 << 20))
    os.utime(f'/srv/data/{{name}}', (1500000000, 1500000000))
open('/srv/data/newest', 'w').close()
"""

_SSHD = """
mkdir -p /run/sshd /root/.ssh; cp /key.pub /root/.ssh/authorized_keys; chmod 600 /root/.ssh/*
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
exec /usr/sbin/sshd -D -e -o PerSourcePenalties=no -o UsePAM=no -o PermitRootLogin=yes \\
  -o MaxStartups=50
"""

# The document's recipe. The image's /usr stands for the borg binary that it copies to the client.
_RECIPE = """
set -e
mkdir -p /mnt/r
sshfs -o IdentityFile=/run/secrets/ssh_key,UserKnownHostsFile=/state/known_hosts,port=2201 \
  -o no_contain_symlinks,allow_other root@proxy:/ /mnt/r
mount -t tmpfs none /mnt/r/mnt
mkdir /mnt/r/mnt/repo /mnt/r/mnt/base
mount --bind /repo/recipe /mnt/r/mnt/repo
mount --bind /state/recipe /mnt/r/mnt/base
mount --rbind /usr /mnt/r/usr
for i in dev proc sys; do mount --rbind /$i /mnt/r/$i; done
chroot /mnt/r env BORG_BASE_DIR=/mnt/base BORG_RELOCATED_REPO_ACCESS_IS_OK=yes \
  BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes \
  borg create --files-cache ctime,size /mnt/repo::"$1" /srv/data
"""

_ON_CLIENT = """
export BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
ssh-keyscan -p 2202 proxy > /tmp/known_hosts 2>/dev/null
export BORG_RSH='ssh -i /key -o UserKnownHostsFile=/tmp/known_hosts'
borg create ssh://root@proxy:2202/repo/client::"$1" /srv/data
"""


def docker(*args: str, timeout: float = 1800) -> str:
    done = subprocess.run(
        ["docker", *args], capture_output=True, text=True, timeout=timeout, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"bench: docker {args[0]}: {done.stderr or done.stdout}")
    return done.stdout


class Bench:
    """Client, server and proxy on a network; the jobs to be timed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = ["-v", f"{folder}/key:/key:ro", "-v", f"{folder}/key.pub:/key.pub:ro"]
        self.volumes = ["-v", f"{folder}/repo:/repo", "-v", f"{folder}/state:/state"]
        self.secret = ["-v", f"{folder}/key:/run/secrets/ssh_key:ro"]
        self.fuse = ["--device", "/dev/fuse", "--security-opt", "apparmor=unconfined"]

    def start(self, name: str, *options: str, command: list[str]) -> None:
        """A container `name` on the bench's network."""
        common = ["--name", f"{ID}-{name}", "--network", ID, "--network-alias", name]
        docker("run", "-d", "--rm", *common, *options, IMAGE, *command)

    def timed(self, name: str, script: str, *args: str) -> float:
        started = time.monotonic()
        docker("exec", f"{ID}-{name}", "sh", "-c", script, "sh", *args)
        return time.monotonic() - started

    def ours(self, archive: str) -> float:
        """Our job on the lowest rung, as the README has it; its own account of its seconds."""
        out = docker(
            *("run", "--rm", "--network", ID, *self.fuse, *self.volumes, *self.secret),
            *("--security-opt", f"seccomp={self.folder}/seccomp.json", IMAGE),
            *("sshfs", "--json", "--name", "ours", "--init", "--encryption", "none"),
            *("--archive", archive, "root@proxy:2201", "/srv/data"),
        )
        return float(json.loads(out.splitlines()[-1])["data"]["seconds"])

    def recipe(self, archive: str) -> float:
        """The recipe in a container of its own, whose end takes the mounts down."""
        self.start(
            *("recipe", *self.fuse, "--cap-add", "SYS_ADMIN", *self.volumes, *self.secret),
            *("--entrypoint", "sleep"),
            command=["infinity"],
        )
        try:
            return self.timed("recipe", _RECIPE, archive)
        finally:
            docker("rm", "-f", f"{ID}-recipe")

    def on_client(self, archive: str) -> float:
        return self.timed("client", _ON_CLIENT, archive)


@contextlib.contextmanager
def bench(round_trip: int) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="borgpull-bench-") as name:
        folder = Path(name)
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")]
        subprocess.run(keygen, check=True)
        (folder / "seccomp.json").write_text(docker("run", "--rm", IMAGE, "render", "seccomp"))
        for path in ("repo/recipe", "repo/client", "state/recipe"):
            (folder / path).mkdir(parents=True)
        docker("network", "create", ID)
        it = Bench(folder)
        try:
            prepare(it, round_trip)
            yield it
        finally:
            names = docker("ps", "-aq", "--filter", f"network={ID}").split()
            if names:
                docker("rm", "-f", "-v", *names)
            docker("network", "rm", ID)


def prepare(it: Bench, round_trip: int) -> None:
    """Client with its tree, server, proxy; repositories for the two jobs that are not ours."""
    shell = ["--entrypoint", "sh"]
    it.start("client", *it.keys, *shell, "-v", "/srv/data", command=["-c", _SSHD])
    it.start("server", *it.keys, *shell, *it.volumes, command=["-c", _SSHD])
    script = ["-v", f"{ROOT}/scripts/delay_proxy.py:/p.py:ro", "--entrypoint", "python3"]
    routes = ["2201:client:22", "2202:server:22"]
    it.start("proxy", *script, command=["/p.py", str(round_trip), *routes])
    docker("exec", f"{ID}-client", "python3", "-c", _TREE)
    docker("exec", f"{ID}-server", "borg", "init", "-e", "none", "/repo/client")
    docker("exec", f"{ID}-server", "borg", "init", "-e", "none", "/repo/recipe")
    time.sleep(1)
    trust = ["trust", "--yes", "root@proxy:2201"]
    docker("run", "--rm", "--network", ID, *it.volumes, IMAGE, *trust)


def main() -> None:
    found: dict[str, dict[str, float]] = {}
    for round_trip in ROUND_TRIPS:
        with bench(round_trip) as it:
            jobs: dict[str, Callable[[str], float]] = {
                "ours": it.ours,
                "recipe": it.recipe,
                "on_client": it.on_client,
            }
            for name, job in jobs.items():
                print(f"bench: {name} at {round_trip} ms", file=sys.stderr, flush=True)
                first = job("first")
                again = [job(f"again{number}") for number in range(UNCHANGED_RUNS)]
                found[f"{name} {round_trip}"] = {
                    "first": first,
                    "unchanged": statistics.median(again),
                }
    report(found)


def report(found: dict[str, dict[str, float]]) -> None:
    print(f"{FILES} files of 4 KiB and two of 32 MiB; seconds of our job, and ratios to it.")
    print("Below 1: we are faster. Unchanged runs: median of", UNCHANGED_RUNS, "\n")
    print("| round trip | run | ours, seconds | ours / recipe | ours / borg on the client |")
    print("| --- | --- | --- | --- | --- |")
    for round_trip in ROUND_TRIPS:
        for run in ("first", "unchanged"):
            ours, recipe, on_client = (
                found[f"{name} {round_trip}"][run] for name in ("ours", "recipe", "on_client")
            )
            ratios = f"{ours / recipe:.2f} | {ours / on_client:.2f}"
            print(f"| {round_trip} ms | {run} | {ours:.1f} | {ratios} |")
    (ROOT / "bench.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
