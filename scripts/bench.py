"""`make bench`: our jobs compared with the same work by hand, as ratios of one run.

Everything runs in containers of the image `borgpull` on one machine, through a proxy that adds the
round trip. Trees, repositories and borg's caches are in memory if there is room: a disk's speed
changes more from one job to the next than the jobs differ. All use the same tree, the same borg, no
encryption, and lz4. Each job is timed inside its container, from the start of its program to its
end. The speed of a shared machine may change by a third within minutes. So each of our jobs is
compared with the mean of two manual ones, one just before and one just after it. A first backup can
be made only once: there the jobs take turns. The repositories are made before. BENCH_FILES and
BENCH_MANY are the numbers of files in the saved trees; a quarter of BENCH_MANY is restored.
BENCH_RUNS is the number of unchanged runs, or restores, in a round.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
IMAGE = os.environ.get("BENCH_IMAGE", "borgpull")
ID = f"borgpull-bench-{os.getpid()}"
FILES = int(os.environ.get("BENCH_FILES", "1000"))
MANY = int(os.environ.get("BENCH_MANY", "400000"))
# Room that the trees and the four repositories of a plan take.
MEMORY, ROOM = Path("/dev/shm"), 12 << 30
# Unchanged runs (they are the daily business) or restores in a round.
UNCHANGED_RUNS = int(os.environ.get("BENCH_RUNS", "5"))


@dataclass(frozen=True)
class Plan:
    """A tree, the jobs that save or restore it, and the pairs of jobs that are compared."""

    name: str
    files: int
    size: int  # bytes of each file; 0 for sizes as a Debian system has them
    rounds: dict[int, int]  # round trip in milliseconds, and how often all is done anew
    ratios: tuple[tuple[str, str], ...]
    restores: bool = False

    def jobs(self) -> list[str]:
        return list(dict.fromkeys(name for pair in self.ratios for name in pair))


# Over a slow link the recipe takes minutes: hence a small tree, and one round. Methods with borg
# on the client have a cost of seconds (connecting, verification, renaming): a tree
# on which borg by hand is done in one would show nothing else. So it has as many files as a Debian
# machine.
PLANS = (
    Plan("small", FILES, 4096, {0: 3, 20: 1}, (("sshfs", "recipe"), ("sshfs", "by hand"))),
    Plan(
        "large",
        MANY,
        1024,
        {0: 1, 20: 1},
        (("pipe", "by hand"), ("socat", "by hand")),
    ),
    Plan("few", 4 * FILES, 0, {0: 2, 20: 1}, (("stream", "by hand"), ("pipe", "by hand"))),
    Plan("many", MANY // 4, 1024, {0: 1, 20: 1}, (("stream", "by hand"), ("pipe", "by hand"))),
    Plan("restore", MANY // 4, 0, {0: 1, 20: 1}, (("native", "extract"),), restores=True),
)

# The words after `sh -c` and this, timed; the seconds are the last line of standard output.
_TIMED = """
start=$(date +%s%N); "$@"; code=$?; end=$(date +%s%N)
echo; echo $((end - start)); exit $code
"""

# A Debian machine has 415,000 files: half are below 3.2 KB, and the average is 37 KB. Here it
# is 36, as none is larger than 32 MiB.
_TREE = """
import math, os, random, sys
random.seed(1)
size = int(sys.argv[2])
for i in range(int(sys.argv[1])):
    folder = f'/srv/data/{i // 200:04}'
    os.makedirs(folder, exist_ok=True)
    path = f'{folder}/{i}'
    drawn = int(min(random.lognormvariate(math.log(3200), 2.2), 32 << 20))
    open(path, 'wb').write(random.randbytes(size or drawn))
    os.utime(path, (1600000000 + i, 1600000000 + i))
for name in 'ab':
    open(f'/srv/data/{name}', 'wb').write(random.randbytes(32 << 20))
    os.utime(f'/srv/data/{name}', (1500000000, 1500000000))
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

_SSH_BY_HAND = """
export BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
export BORG_RSH='ssh -i /key -o UserKnownHostsFile=/tmp/known_hosts'
"""
_BY_HAND = f"""{_SSH_BY_HAND}
borg create ssh://root@proxy:2202/repo/client::"$1" /srv/data
"""
# Into a folder that is not there; what `pipe` has saved.
RESTORED = "/srv/restored/tree"
_EXTRACT = f"""{_SSH_BY_HAND}
mkdir {RESTORED}
cd {RESTORED}
borg extract ssh://root@proxy:2202/repo/pipe::"$1"
"""


# The time of the command's start, in turns with a Python that only imports typer.
_STARTS = """
import subprocess, time
for _ in range(10):
    for words in (['borgpull', '--help'], ['python3', '-c', 'import typer']):
        begin = time.perf_counter()
        subprocess.run(words, stdout=subprocess.DEVNULL, check=True)
        print(time.perf_counter() - begin)
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
        self.folder, self.numbers = folder, itertools.count()
        self.keys = ["-v", f"{folder}/key:/key:ro", "-v", f"{folder}/key.pub:/key.pub:ro"]
        self.volumes = ["-v", f"{folder}/repo:/repo", "-v", f"{folder}/state:/state"]
        self.secret = ["-v", f"{folder}/key:/run/secrets/ssh_key:ro"]
        self.fuse = ["--device", "/dev/fuse", "--security-opt", "apparmor=unconfined"]
        lowest = [*self.fuse, "--security-opt", f"seccomp={folder}/seccomp.json"]
        plain = ["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only"]
        plain += ["--tmpfs", "/tmp", "--user", "1000:1000"]
        plainly = dict.fromkeys(("pipe", "stream", "socat", "native"), plain)
        self.options = {"sshfs": lowest, **plainly}

    def start(self, name: str, *options: str, command: list[str]) -> None:
        """A container `name` on the bench's network."""
        common = ["--name", f"{ID}-{name}", "--network", ID, "--network-alias", name]
        docker("run", "-d", "--rm", *common, *options, IMAGE, *command)

    def timed(self, name: str, script: str, archive: str) -> float:
        """Seconds of a script in a container."""
        words = ["sh", "-c", _TIMED, "sh", "sh", "-c", script, "sh", archive]
        return seconds(docker("exec", f"{ID}-{name}", *words))

    def job(self, name: str, archive: str) -> float:
        """One job by its name in PLANS; seconds."""
        if name == "recipe":
            return self.recipe(archive)
        if name == "by hand":
            return self.timed("client", _BY_HAND, archive)
        if name in ("native", "extract"):
            return self.restore(name, archive)
        keep = ["--keep-runtime"] if name in ("pipe", "socat") else []
        return self.ours(
            *(name, "--json", "--archive", archive, *keep),
            *("--name", name, "root@proxy:2201", "/srv/data"),
        )

    def ours(self, verb: str, *words: str, way: str = "") -> float:
        """A command of ours, in a container of its own; seconds."""
        options = self.options[way or verb]
        out = docker(
            *("run", "--rm", "--network", ID, *self.volumes, *self.secret, *options),
            *("--entrypoint", "sh", IMAGE, "-c", _TIMED, "sh", "tini", "-s", "--", "borgpull"),
            *(verb, *words),
        )
        return seconds(out)

    def restore(self, way: str, archive: str) -> float:
        """A restore, with nothing left of the last one on the target or in its memory."""
        docker("exec", f"{ID}-client", "sh", "-c", f"rm -rf {RESTORED}; sync")
        if way == "extract":
            return self.timed("client", _EXTRACT, archive)
        to = f"root@proxy:2201:{RESTORED}"
        return self.ours(*("restore", "pipe", archive, "--json", "--how", way, "--to", to), way=way)

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

    def firsts(self, plan: Plan, number: int) -> dict[str, float]:
        """Each job once, with another one first in each round; seconds by name."""
        names = plan.jobs()
        start = number % len(names)
        return {name: self.run(name, "first") for name in names[start:] + names[:start]}

    def between(self, plan: Plan, archive: str) -> Iterator[dict[str, float]]:
        """Each pair of PLANS, the first job between two of the second; seconds by name.

        An archive that is made has a number added to its name.
        """
        last: dict[str, float] = {}  # the job before this, if it was one by hand
        for one, other in plan.ratios:
            names = [archive if plan.restores else f"{archive}{next(self.numbers)}" for _ in "123"]
            before = last[other] if other in last else self.run(other, names[0])
            ours = self.run(one, names[1])
            last = {other: self.run(other, names[2])}
            yield {one: ours, other: (before + last[other]) / 2}

    def run(self, name: str, archive: str) -> float:
        os.sync()  # none is to wait for the disk on behalf of the one before
        return self.job(name, archive)


def seconds(output: str) -> float:
    return int(output.split()[-1]) / 1e9


def in_memory() -> Path | None:
    """The folder in memory if everything fits there; None for the disk."""
    there = MEMORY.is_dir() and os.access(MEMORY, os.W_OK)
    return MEMORY if there and shutil.disk_usage(MEMORY).free > ROOM else None


@contextlib.contextmanager
def bench(plan: Plan, round_trip: int) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="borgpull-bench-", dir=in_memory()) as name:
        folder = Path(name)
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")]
        subprocess.run(keygen, check=True)
        (folder / "seccomp.json").write_text(docker("run", "--rm", IMAGE, "render", "seccomp"))
        for path in ("repo/recipe", "repo/client", "state/recipe"):
            (folder / path).mkdir(parents=True)
        docker("network", "create", ID)
        it = Bench(folder)
        try:
            prepare(it, plan, round_trip)
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


def prepare(it: Bench, plan: Plan, round_trip: int) -> None:
    """Client with its tree, server, proxy; repositories for the two jobs that are not ours."""
    shell = ["--entrypoint", "sh"]
    memory = it.folder.is_relative_to(MEMORY)
    kind = "--tmpfs" if memory else "-v"
    # borg writes its caches anew in each run, some 70 MB of 400,000 files, and waits for the disk.
    # Docker mounts a tmpfs noexec, and methods of ours keep no cache where a program cannot run.
    caches = ["/root/.cache", "/var/cache"]
    paths = ["/srv/data", "/srv/restored", *caches]
    folders = [word for path in paths for word in (kind, path + ":exec" * memory)]
    it.start("client", *it.keys, *shell, *folders, command=["-c", _SSHD])
    it.start("server", *it.keys, *shell, *it.volumes, command=["-c", _SSHD])
    script = ["-v", f"{ROOT}/scripts/delay_proxy.py:/p.py:ro", "--entrypoint", "python3"]
    routes = ["2201:client:22", "2202:server:22"]
    it.start("proxy", *script, command=["/p.py", str(round_trip), *routes])
    words = [_TREE, str(plan.files), str(plan.size)]
    docker("exec", f"{ID}-client", "python3", "-c", *words)
    docker("exec", f"{ID}-server", "borg", "init", "-e", "none", "/repo/client")
    docker("exec", f"{ID}-server", "borg", "init", "-e", "none", "/repo/recipe")
    for name in {*plan.jobs(), "pipe"} & it.options.keys() - {"native"}:
        docker("run", "--rm", *it.volumes, IMAGE, "init", "--encryption", "none", name)
    listens = "until ssh-keyscan -p 2201 proxy 2>/dev/null | grep -q .; do sleep 0.2; done"
    docker("exec", f"{ID}-client", "sh", "-c", listens)
    trust = ["trust", "--yes", "root@proxy:2201"]
    docker("run", "--rm", "--network", ID, *it.volumes, IMAGE, *trust)
    scan = "ssh-keyscan -p 2202 proxy > /tmp/known_hosts 2>/dev/null"
    docker("exec", f"{ID}-client", "sh", "-c", scan)
    own = "chown -R 1000:1000 /repo /state; chown 1000:1000 /run/secrets/ssh_key"
    secret = ["-v", f"{it.folder}/key:/run/secrets/ssh_key"]
    docker("run", "--rm", *it.volumes, *secret, "--entrypoint", "sh", IMAGE, "-c", own)


# "first", "unchanged" or "restore": seconds of each job, by turns
Turns = dict[str, list[dict[str, float]]]


def main() -> None:
    signal.signal(signal.SIGTERM, terminated)
    wanted = sys.argv[1:] or [plan.name for plan in PLANS]
    found: dict[str, Turns] = {}
    print("Ratios are medians of n turns; above 1: the first takes longer.\n", flush=True)
    print("| tree | round trip | run | n | ratio | | seconds |", flush=True)
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    report_starts()
    for plan in PLANS:
        if plan.name in wanted:
            for round_trip, rounds in plan.rounds.items():
                turns = measure(plan, round_trip, rounds)
                found[f"{plan.name} {round_trip}"] = turns
                report(plan, round_trip, turns)
    (ROOT / "bench.json").write_text(json.dumps(found, indent=2) + "\n")


def measure(plan: Plan, round_trip: int, rounds: int) -> Turns:
    turns: Turns = {"restore": []} if plan.restores else {"first": [], "unchanged": []}
    for number in range(rounds):
        say(f"{plan.name} tree, {round_trip} ms, round {number + 1} of {rounds}")
        with bench(plan, round_trip) as it:
            if plan.restores:
                it.job("pipe", "saved")
                for _ in range(UNCHANGED_RUNS):
                    turns["restore"] += it.between(plan, "saved")
                continue
            turns["first"].append(it.firsts(plan, number))
            for _ in range(UNCHANGED_RUNS):
                turns["unchanged"] += it.between(plan, "again")
    return turns


def terminated(signum: int, _frame: FrameType | None) -> None:
    """SIGTERM unwinds like any other end, so that everything is cleaned up."""
    raise SystemExit(128 + signum)


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def report_starts() -> None:
    """The ratio of `borgpull --help` to `import typer`, in the image."""
    out = docker("run", "--rm", "--entrypoint", "python3", IMAGE, "-c", _STARTS)
    times = [float(line) for line in out.split()]
    ours, typer = times[::2], times[1::2]
    ratio = statistics.median(one / other for one, other in zip(ours, typer, strict=True))
    both = f"{statistics.median(ours):.2f} / {statistics.median(typer):.2f}"
    print(f"| | | start | {len(ours)} | --help / import typer | {ratio:.2f} | {both} |", flush=True)


def report(plan: Plan, round_trip: int, found: Turns) -> None:
    size = f"{plan.size // 1024} KiB" if plan.size else "36 KB on average"
    tree = f"{plan.files:,} of {size}"
    for run, turns in found.items():
        for one, other in plan.ratios:
            pairs = [(turn[one], turn[other]) for turn in turns if {one, other} <= turn.keys()]
            ratio = statistics.median(ours / by_hand for ours, by_hand in pairs)
            both = [statistics.median(times) for times in zip(*pairs, strict=True)]
            cells = [tree, f"{round_trip} ms", run, str(len(pairs)), f"{one} / {other}"]
            cells += [f"{ratio:.2f}", f"{both[0]:.1f} / {both[1]:.1f}"]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
