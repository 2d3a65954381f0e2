"""The containers of a plan: client, server and proxy, and one for each of our jobs.

They are on Docker's usual network, as the README's commands have it. It knows no names: `proxy` is
an address. Without a delay there is no proxy, and the name stands for the other side.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from scripts.bench import memory, trees
from scripts.bench.meter import Cost, Gauge, docker, peaks, seconds_of
from scripts.bench.plans import BARE, UNGUARDED, UNWRITTEN, WHOLE, Plan

ROOT = Path(__file__).resolve().parents[2]
IMAGE = os.environ.get("BENCH_IMAGE", "borgpull")
# The same with rsync, for the two machines of the jobs by hand.
BY_HAND = f"{IMAGE}-bench"
ID = f"borgpull-bench-{os.getpid()}"
# The cgroup above those of our jobs, and a container that keeps it there. What it has spent stays
# when a job's container is gone. By this name systemd takes it, too.
SLICE, OURS = f"{ID}.slice", "ours"
PASSPHRASE = "/run/secrets/passphrase"
INIT = f"BORG_PASSCOMMAND='cat {PASSPHRASE}' borg init -e repokey-blake2"
# By hand, over ssh, with one host key for the client by either name.
KNOWN = "/tmp/known_hosts"

# The words after `sh -c` and this, timed; the seconds are the last line of standard output.
_TIMED = """
start=$(date +%s%N); "$@"; code=$?; end=$(date +%s%N)
echo; echo $((end - start)); exit $code
"""

_SSHD = """
mkdir -p /run/sshd /root/.ssh; cp /key.pub /root/.ssh/authorized_keys; chmod 600 /root/.ssh/*
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
exec /usr/sbin/sshd -D -e -p 22 -p 2201 -p 2202 -o MaxStartups=50 \\
  -o PerSourcePenalties=no -o UsePAM=no -o PermitRootLogin=yes
"""

_DOCKERFILE = f"""
FROM {IMAGE}
RUN apt-get update && apt-get install -y --no-install-recommends rsync
"""

# Methods of ours, and the words of each; `sftp` is stream's other reader.
_STREAM = ("stream", "--reader", "python")
VERBS = {
    "stream": _STREAM,
    WHOLE: _STREAM,
    UNGUARDED: _STREAM,
    UNWRITTEN: _STREAM,
    "sftp": ("stream", "--reader", "sftp"),
    "pipe": ("pipe", "--keep-runtime"),
    "socat": ("socat", "--keep-runtime"),
    "sshfs": ("sshfs",),
}
_MAIN = """
from borgpull.cli import main
main()
"""
# borgpull without a part of it, for what that part costs: no option leaves it out. All load the
# same code before anything begins, so that they differ in nothing else.
_LOADED = """
from borgpull.ops import guarding
from borgpull.state import manifests
"""
WITHOUT = {
    WHOLE: _LOADED + _MAIN,
    UNGUARDED: f"""{_LOADED}
guarding.watch = lambda job, *_: guarding._blind(job, "the bench")
guarding.begin = lambda *_: None
{_MAIN}""",
    UNWRITTEN: f"""{_LOADED}
manifests.plan = lambda *_, **__: None
{_MAIN}""",
}
_FUSE = ["--device", "/dev/fuse", "--security-opt", "apparmor=unconfined"]


class Lab:
    def __init__(self, folder: Path, trip: int) -> None:
        self.folder, self.trip = folder, trip
        self._held = folder.is_relative_to(memory.FOLDER)  # is everything in memory?
        self.needs = 0  # bytes of memory that a job is expected to take
        self._gauges: dict[str, Gauge] = {}
        self._keys = ["-v", f"{folder}/key:/key:ro", "-v", f"{folder}/key.pub:/key.pub:ro"]
        secret = ["-v", f"{folder}/key:/run/secrets/ssh_key:ro"]
        self._passphrase = ["-v", f"{folder}/passphrase:{PASSPHRASE}:ro"]
        self._volumes = ["-v", f"{folder}/repo:/repo", "-v", f"{folder}/state:/state"]
        self.ours = [*self._volumes, *secret, *self._passphrase]

    def options(self, job: str) -> list[str]:
        """Docker's options for the container of a job of ours, or of the recipe."""
        if job in ("drill", BARE):
            alone = ["--network", "none", "--tmpfs", "/scratch:exec,suid,dev"]
            return [*alone, *self._volumes, *self._passphrase]
        if job == "recipe":
            return [*self.ours, *_FUSE, "--cap-add", "SYS_ADMIN"]
        if job == "sshfs":
            return [*self.ours, *_FUSE, "--security-opt", f"seccomp={self.folder}/seccomp.json"]
        plain = ["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only"]
        return [*self.ours, *plain, "--tmpfs", "/tmp", "--user", "1000:1000"]

    def start(self, name: str, image: str, *options: str, command: list[str]) -> None:
        """A container `name`, whose first process is the command."""
        docker(
            *("run", "-d", "--rm", "--init", "--name", f"{ID}-{name}", *options),
            *("--entrypoint", command[0], image, *command[1:]),
        )

    @contextlib.contextmanager
    def worker(self, job: str) -> Iterator[str]:
        """A container for a job of ours: its end takes down whatever the job has left."""
        self.start("worker", IMAGE, *self.options(job), command=["sleep", "infinity"])
        try:
            yield "worker"
        finally:
            self._gauges.pop("worker", None)
            docker("rm", "-f", f"{ID}-worker")

    def gauge(self, name: str) -> Gauge:
        if name not in self._gauges:
            self._gauges[name] = Gauge(f"{ID}-{name}", above=name == OURS)
        return self._gauges[name]

    def folders(self) -> set[Path]:
        """The cgroups above those of our jobs; none if there is no job yet."""
        return self._gauges[OURS].folders if OURS in self._gauges else set()

    def moved(self) -> int:
        """Bytes that have come to the proxy from either side, or to the client and from it."""
        where, names = ("proxy", ["rx"]) if self.trip else ("client", ["rx", "tx"])
        counters = [f"/sys/class/net/eth0/statistics/{name}_bytes" for name in names]
        return sum(map(int, self.run(where, "cat", *counters).split()))

    def address(self, name: str) -> str:
        wanted = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return docker("inspect", "--format", wanted, f"{ID}-{name}").strip()

    def run(self, name: str, *words: str) -> str:
        return docker("exec", f"{ID}-{name}", *words)

    def measured(self, where: str, *words: str, server: str = "server") -> Cost:
        """Run a command in a container. `server` is the one of the server's side."""

        def timed() -> float:
            return int(self.run(where, "sh", "-c", _TIMED, "sh", *words).split()[-1]) / 1e9

        return self._cost(server, timed)

    def whole(self, job: str, *words: str) -> Cost:
        """`docker run` of our image with the words of a job, from its start to its end."""
        ours = ["--name", f"{ID}-job", "--cgroup-parent", SLICE, *self.options(job)]
        argv = ["run", "--rm", *ours, IMAGE, *words]
        return self._cost(OURS, lambda: seconds_of(*argv))

    def _cost(self, server: str, timed: Callable[[], float]) -> Cost:
        os.sync()  # no job is to wait for the disk on behalf of the one before
        if self._held:
            memory.ready(self.needs, self.folder)
        client, other = self.gauge("client"), self.gauge(server)
        moved, of_client, of_other = self.moved(), client.cpu(), other.cpu()
        with peaks(client, other) as most:
            seconds = timed()
        return Cost(
            seconds=seconds,
            client_cpu=client.cpu() - of_client,
            server_cpu=other.cpu() - of_other,
            client_memory=most[0],
            server_memory=most[1],
            moved=self.moved() - moved,
        )

    def _connect(self, client: str, server: str) -> None:
        """What `proxy` is for each side, and for our jobs."""
        to_client, to_server = client, server
        if self.trip:
            script = ["-v", f"{ROOT}/scripts/delay_proxy.py:/p.py:ro"]
            routes = [f"2201:{client}:22", f"2202:{server}:22"]
            command = ["python3", "/p.py", str(self.trip), *routes]
            self.start("proxy", IMAGE, *script, command=command)
            to_client = to_server = self.address("proxy")
        self.ours += ["--add-host", f"proxy:{to_client}"]
        for name, other in (("client", to_server), ("server", to_client)):
            self.run(name, "sh", "-c", f"echo {other} proxy >>/etc/hosts")

    def prepare(self, plan: Plan) -> None:
        """Client with its tree, server, proxy; the repositories."""
        kind = "--tmpfs" if self._held else "-v"
        # borg writes its caches anew in each run, some 70 MB of 400,000 files, and waits for the
        # disk. Docker mounts a tmpfs noexec, and methods of ours keep no cache where a program
        # cannot run.
        paths = ["/srv/data", "/srv/restored", "/srv/repo", "/root/.cache", "/var/cache"]
        folders = [word for path in paths for word in (kind, path + ":exec" * self._held)]
        own = [*self._keys, *self._passphrase]
        self.start("client", BY_HAND, *own, *folders, command=["sh", "-c", _SSHD])
        self.start("server", BY_HAND, *own, *self._volumes, command=["sh", "-c", _SSHD])
        alone = ["--network", "none", "--cgroup-parent", SLICE]
        self.start(OURS, IMAGE, *alone, command=["sleep", "infinity"])
        self._connect(self.address("client"), self.address("server"))
        listens = "until ssh-keyscan -p 2201 proxy 2>/dev/null | grep -q .; do sleep 0.2; done"
        self.run("client", "sh", "-c", listens)
        for name, port in (("client", 2202), ("server", 2201)):
            self.run(name, "sh", "-c", f"ssh-keyscan -p {port} proxy >{KNOWN} 2>/dev/null")
        words = [str(plan.files), str(plan.size), "tree"]
        self.run("client", "python3", "-c", trees.MAKE, *words)
        trust = ["trust", "--yes", "root@proxy:2201"]
        docker("run", "--rm", *self.ours, IMAGE, *trust)
        self.anew(plan)

    def anew(self, plan: Plan) -> None:
        """Empty repositories. Neither side knows anything of an archive."""
        emptied = "rm -rf /repo/* /state/clients /state/recipe; mkdir /repo/rsync /state/recipe"
        both = f"{INIT} /repo/client; {INIT} /repo/recipe"
        self.run("server", "sh", "-ec", f"{emptied}; {both}")
        known = "/root/.cache/* /root/.config/borg /var/cache/*"
        self.run("client", "sh", "-ec", f"rm -rf /srv/repo/* {known}; {INIT} /srv/repo/local")
        for name in {*plan.jobs, "pipe", plan.saved} & VERBS.keys():
            init = ["init", "--encryption", "repokey-blake2", name]
            docker("run", "--rm", *self.ours, IMAGE, *init)
        theirs = "chown -R 1000:1000 /repo /state; chown 1000:1000 /secrets/*"
        secrets = [f"{self.folder}/{name}:/secrets/{name}" for name in ("key", "passphrase")]
        mounts = [word for secret in secrets for word in ("-v", secret)]
        docker("run", "--rm", *self._volumes, *mounts, "--entrypoint", "sh", IMAGE, "-c", theirs)


def build() -> None:
    """The image of the jobs by hand."""
    # Of a Dockerfile on its input, buildx would leave a copy.
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "Dockerfile").write_text(_DOCKERFILE)
        docker("buildx", "build", "--load", "--tag", BY_HAND, folder)


@contextlib.contextmanager
def lab(plan: Plan, trip: int) -> Iterator[Lab]:
    """Everything that the jobs of a plan need, for one round trip."""
    with tempfile.TemporaryDirectory(prefix="borgpull-bench-", dir=memory.in_memory()) as name:
        folder = Path(name)
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")]
        subprocess.run(keygen, check=True)
        (folder / "passphrase").write_text("of the bench\n")
        (folder / "passphrase").chmod(0o600)
        (folder / "seccomp.json").write_text(docker("run", "--rm", IMAGE, "render", "seccomp"))
        for path in ("repo", "state"):
            (folder / path).mkdir()
        it = Lab(folder, trip)
        try:
            it.prepare(plan)
            yield it
        finally:
            spent = it.folders()
            names = docker("ps", "-aq", "--filter", f"name=^{ID}-").split()
            if names:
                docker("rm", "-f", "-v", *names)
            for cgroup in spent:
                with contextlib.suppress(OSError):  # systemd has removed its own
                    cgroup.rmdir()
            if os.geteuid() != 0:  # the containers write as root
                emptied = ["/bench", "-mindepth", "1", "-delete"]
                volume = ["-v", f"{folder}:/bench", "--entrypoint", "find"]
                docker("run", "--rm", *volume, IMAGE, *emptied)
