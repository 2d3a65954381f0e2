"""`make bench`: our sshfs job against the recipe by hand and against borg on the client, as ratios.

Everything runs in containers of the image `borgpull` on one machine, through a proxy that adds the
round trip. Same tree, same borg, no encryption, lz4. Each job is timed inside its container, from
the start of its program to its end; ours is timed from the outside too, with all that Docker does.
The three take turns, so that whatever else the machine does hits them alike.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
IMAGE = "borgpull"
ID = f"borgpull-bench-{os.getpid()}"
# Round trip in milliseconds, and how often all is done anew: over a slow link it takes minutes.
ROUNDS = {0: 3, 20: 1}
FILES = int(os.environ.get("BENCH_FILES", "1000"))
# Unchanged runs in a round; they are the daily business.
UNCHANGED_RUNS = int(os.environ.get("BENCH_RUNS", "3"))

# The words after `sh -c` and this, timed; the seconds are the last line of standard output.
_TIMED = """
start=$(date +%s%N); "$@"; code=$?; end=$(date +%s%N)
echo; echo $((end - start)); exit $code
"""

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

    def timed(self, name: str, script: str, archive: str) -> float:
        """Seconds of a script in a container."""
        words = ["sh", "-c", _TIMED, "sh", "sh", "-c", script, "sh", archive]
        return seconds(docker("exec", f"{ID}-{name}", *words))

    def ours(self, archive: str) -> tuple[float, float]:
        """Our job on the lowest rung, as the README has it: seconds inside and of `docker run`."""
        started = time.monotonic()
        out = docker(
            *("run", "--rm", "--network", ID, *self.fuse, *self.volumes, *self.secret),
            *("--security-opt", f"seccomp={self.folder}/seccomp.json", "--entrypoint", "sh"),
            *(IMAGE, "-c", _TIMED, "sh", "tini", "-s", "--", "borgpull"),
            *("sshfs", "--json", "--name", "ours", "--init", "--encryption", "none"),
            *("--archive", archive, "root@proxy:2201", "/srv/data"),
        )
        return seconds(out), time.monotonic() - started

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

    def turn(self, archive: str) -> dict[str, float]:
        """Each job once; seconds by name."""
        inside, outside = self.ours(archive)
        recipe, on_client = self.recipe(archive), self.on_client(archive)
        return {"ours": inside, "run": outside, "recipe": recipe, "on_client": on_client}


def seconds(output: str) -> float:
    return int(output.split()[-1]) / 1e9


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
            if os.geteuid() != 0:  # the containers write as root
                emptied = ["/bench", "-mindepth", "1", "-delete"]
                docker(
                    "run", "--rm", "-v", f"{folder}:/bench", "--entrypoint", "find", IMAGE, *emptied
                )


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
    scan = "ssh-keyscan -p 2202 proxy > /tmp/known_hosts 2>/dev/null"
    docker("exec", f"{ID}-client", "sh", "-c", scan)


Found = dict[int, dict[str, list[dict[str, float]]]]  # round trip, "first" or "unchanged", turns


def main() -> None:
    signal.signal(signal.SIGTERM, terminated)
    found: Found = {}
    for round_trip, rounds in ROUNDS.items():
        turns = found[round_trip] = {"first": [], "unchanged": []}
        for number in range(rounds):
            say(f"round {number + 1} of {rounds} at {round_trip} ms")
            with bench(round_trip) as it:
                turns["first"].append(it.turn("first"))
                turns["unchanged"] += [it.turn(f"again{n}") for n in range(UNCHANGED_RUNS)]
    report(found)


def terminated(signum: int, _frame: FrameType | None) -> None:
    """SIGTERM unwinds like any other end, so that everything is cleaned up."""
    raise SystemExit(128 + signum)


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def report(found: Found) -> None:
    print(f"{FILES} files of 4 KiB and two of 32 MiB; medians of n turns. Above 1: we take longer.")
    print("Seconds are ours, in the container and of the whole `docker run`.\n")
    print(
        "| round trip | run | n | seconds | `docker run` | ours / recipe | ours / on the client |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for round_trip, runs in found.items():
        for run, turns in runs.items():
            ours, outside = (median(turn[name] for turn in turns) for name in ("ours", "run"))
            ratios = [
                median(turn["ours"] / turn[other] for turn in turns)
                for other in ("recipe", "on_client")
            ]
            cells = [f"{round_trip} ms", run, str(len(turns)), f"{ours:.1f}", f"{outside:.1f}"]
            print(f"| {' | '.join([*cells, *(f'{ratio:.2f}' for ratio in ratios)])} |")
    (ROOT / "bench.json").write_text(json.dumps(found, indent=2) + "\n")


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


if __name__ == "__main__":
    main()
