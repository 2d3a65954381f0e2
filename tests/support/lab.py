"""A laboratory on real parts: clients, sidecars and repositories in containers, and no leftovers.

Everything is reached through the docker command line, as a user would.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from borgpull.addresses import Target
from borgpull.ops.private import PRIVATE_PREFIX
from borgpull.outputs.verbs import OUTPUTS
from borgpull.ssh import hostkeys
from borgpull.ssh.config import PINNED
from borgpull.verbs import METHODS
from tests.support import schemas
from tests.support.started import ends_with_the_test
from tests.support.waiting import ssh_answers, wait_until

ROOT = Path(__file__).resolve().parents[2]
HOST_CLI = ROOT / ".venv" / "bin" / "borgpull"
IMAGE = os.environ.get("BORGPULL_TEST_IMAGE", "borgpull")
RUNTIME = "/usr/local/share/borgpull/runtime.tar.gz"
TIMEOUT = 240.0
Rung = Literal["userns", "sys-admin", "none"]
UNSET: Any = object()


def docker(*args: str, check: bool = True, timeout: float = TIMEOUT) -> str:
    """Standard output of a docker command."""
    done = subprocess.run(
        ["docker", *args],
        capture_output=True,
        text=True,
        errors="surrogateescape",  # names of clients are bytes
        timeout=timeout,
        check=False,
    )
    if check and done.returncode != 0:
        raise AssertionError(f"docker {' '.join(args[:3])} failed: {done.stderr}")
    return done.stdout


def pause(container: str) -> None:
    """Freeze it. Under load the engine may fail to ("unable to freeze"), and thaws it again."""
    for attempt in range(3):
        try:
            docker("pause", container)
            return
        except AssertionError as error:
            if attempt == 2 or "unable to freeze" not in str(error):
                raise
            time.sleep(1)


@dataclass(frozen=True)
class Completed:
    rc: int
    stdout: str
    stderr: str

    @functools.cached_property
    def events(self) -> list[dict[str, Any]]:
        """The lines of --json. Raises AssertionError where one is not as in docs/json."""
        found = [json.loads(line) for line in self.stdout.splitlines() if line.startswith("{")]
        schemas.require_all(found)
        return found

    @classmethod
    def of(cls, words: Sequence[str], done: subprocess.CompletedProcess[bytes]) -> Self:
        """What borgpull did. All that it says with --json is looked at, whoever reads it."""
        texts = [text.decode(errors="surrogateescape") for text in (done.stdout, done.stderr)]
        made = cls(done.returncode, *texts)
        if "--json" in words and words[0] in OUTPUTS:
            _ = made.events
        return made

    @property
    def result(self) -> dict[str, Any]:
        return next(event for event in reversed(self.events) if event["event"] == "result")


class Run:
    """A sidecar under way; `name` is its container's. Its test has to end it."""

    def __init__(self, name: str, argv: Sequence[str], log: Path) -> None:
        self.name, self._log = name, log
        with log.open("wb") as file:
            popen = subprocess.Popen(argv, stdout=file, stderr=file, stdin=subprocess.DEVNULL)
        self.popen = ends_with_the_test(popen, name)

    def poll(self) -> int | None:
        return self.popen.poll()

    def pid(self) -> int:
        """That of its first process here, once it runs: a signal to it passes the engine by."""

        def running() -> str:
            assert self.poll() is None, self.output()
            found = docker("inspect", "-f", "{{.State.Pid}}", self.name, check=False)
            return found.strip().removeprefix("0")

        wait_until(running, self.output)
        return int(running())

    def wait(self, timeout: float) -> int:
        return self.popen.wait(timeout)

    def send_signal(self, signum: int) -> None:
        self.popen.send_signal(signum)

    def kill(self) -> None:
        """SIGKILL to the whole container."""
        docker("kill", self.name, check=False)
        self.popen.wait(60)

    def output(self) -> str:
        return self._log.read_text(errors="replace")


# The line is the one that our error gives if sudo refuses.
SUDO = "umask 227; echo 'alice ALL=(root) NOPASSWD: /bin/sh, /usr/bin/sh' >/etc/sudoers.d/alice"


class Client:
    """A machine to be backed up, in a container."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.address = f"root@{name}"

    def exec(self, *argv: str, detach: bool = False) -> str:
        return docker("exec", *(["-d"] if detach else []), self.name, *argv)

    def let_sudo(self) -> None:
        """alice may run a shell as root."""
        self.exec("sh", "-c", SUDO)

    def tree(self, *paths: str) -> str:
        """A full listing with inodes, mtimes and ctimes."""
        return self.exec("tree-list", *paths)

    def log(self) -> str:
        """What its sshd has said."""
        argv = ["docker", "logs", self.name]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT, check=True)
        return done.stderr

    def ip(self) -> str:
        """Its address, for this host."""
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return docker("inspect", "-f", form, self.name).strip()

    def await_sshd(self, port: int) -> None:
        address = self.ip()
        wait_until(lambda: ssh_answers(address, port), lambda: f"no sshd: {self.log()}")

    def stop(self) -> None:
        docker("rm", "-f", "-v", self.name, check=False)


@functools.cache
def seccomp_profile() -> str:
    """The file of the line in docs/methods.md; made once a session."""
    file = Path("/tmp") / f"borgpull-test-seccomp-{os.getpid()}.json"
    atexit.register(file.unlink, missing_ok=True)
    file.write_text(docker("run", "--rm", IMAGE, "render", "seccomp"))
    return str(file)


@functools.cache
def installed_borg() -> Path:
    """A folder with the runtime's programs, and beside it a `borg` that calls it there."""
    folder = Path(tempfile.mkdtemp(prefix="borgpull-test-borg-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    programs = folder / "programs"
    programs.mkdir()
    for path in (folder, programs):
        path.chmod(0o755)
    unpack = ["-v", f"{programs}:/to", "--entrypoint", "tar", IMAGE, "-C", "/to", "-xzf", RUNTIME]
    docker("run", "--rm", *unpack)
    (folder / "borg").write_text('#!/bin/sh\nexec /usr/local/lib/borg/borg "$@"\n')
    (folder / "borg").chmod(0o755)
    return programs


# Commands that reach a machine, and those that need none.
REACHING = (*METHODS, "restore")
ON_CLIENT = {name for name, row in METHODS.items() if "keep_runtime" in row.options}
LOOKING = (
    *("list", "info", "find", "diff", "borg", "init", "acknowledge", "tidy"),
    *("prune", "check", "status"),
)
WAITING = ("--init", "--entrypoint", "sleep")
# borg with a repository's passphrase on a descriptor, and no memory of any.
_BORG = """
exec 5< /run/secrets/passphrase
export BORG_PASSPHRASE_FD=5 BORG_SELFTEST=disabled BORG_BASE_DIR=$(mktemp -d)
exec borg "$@"
"""
# The flags under which the methods with borg on the client run, exactly.
PLAIN = (
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only"),
    *("--tmpfs", "/tmp", "--user", "1000:1000"),
)


def rung_options(rung: Rung) -> list[str]:
    """docker's options for a rung, as docs/security.md has them."""
    fuse = ["--device", "/dev/fuse", "--security-opt", "apparmor=unconfined"]
    if rung == "userns":
        return [*fuse, "--security-opt", f"seccomp={seccomp_profile()}"]
    return [*fuse, "--cap-add", "SYS_ADMIN"] if rung == "sys-admin" else []


class Lab:
    """A network, a key, folders, and the containers in them. Leaves nothing, or fails."""

    passphrase = "correct horse battery staple"

    def __init__(
        self,
        folder: Path,
        *,
        owner: int | None = None,
        keep: bool = False,
        installed: bool = False,
    ) -> None:
        """`owner` gets repositories, state and key: for sidecars that are not root.

        To send and unpack our programs takes a third of a backup's processor time. `keep` leaves
        them on the clients, where no test looks for what is left. With `installed`, clients of the
        usual image have borg: the runtime's, as if they had installed it.
        """
        self.id = uuid.uuid4().hex[:8]
        self.owner, self.keep, self.installed = owner, keep, installed
        self.folder = folder
        self.network = f"borgpull-test-{self.id}"
        self.label = f"borgpull.test={self.id}"
        self.repo, self.state = folder / "repo", folder / "state"
        self.key = folder / "secrets" / "ssh_key"
        self._clients: list[Client] = []
        self._count = 0
        self._starting, self._borg_runs = threading.Lock(), False
        self._standing_names: set[str] = set()

    def __enter__(self) -> Self:
        for path in (self.repo, self.state, self.key.parent):
            path.mkdir(parents=True)
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)]
        subprocess.run(keygen, check=True, timeout=30)
        self._passphrase_file("passphrase", self.passphrase)
        if self.owner is not None:
            for path in (self.repo, self.state, self.key):
                os.chown(path, self.owner, self.owner)
        docker("network", "create", self.network)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            left = self.leftovers()
        finally:
            mine = docker("ps", "-aq", "--filter", f"label={self.label}").split()
            if mine:
                docker("rm", "-f", "-v", *mine, check=False)
            docker("network", "rm", self.network, check=False)
            shutil.rmtree(self.folder, ignore_errors=True)
        assert not left, f"left behind: {left}"

    def leftovers(self) -> list[str]:
        """Containers other than the clients, fuse mounts, temporary folders on the host.

        Not what goes by itself: a removed container may still be listed for a moment, and what lies
        on the host may be another laboratory's, whose tests run beside these.
        """
        deadline = time.monotonic() + 60
        while (found := self._found()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return found

    def _found(self) -> list[str]:
        filters = ["--filter", f"network={self.network}", "--format", "{{.Names}}"]
        names = set(docker("ps", "-a", *filters).split())
        known = {client.name for client in self._clients} | self._standing_names
        mounts = Path("/proc/mounts").read_text().splitlines()
        return [
            *(f"container {name}" for name in names - known),
            *(f"mount {line}" for line in mounts if "fuse.sshfs" in line),
            *map(str, Path("/dev/shm").glob(f"{PRIVATE_PREFIX}*")),
            *map(str, self.state.glob("clients/*/manifests/new")),  # no run is under way
        ]

    def client(
        self,
        image: str = "borgpull-client",
        *,
        name: str = "",
        trust: bool = True,
        installed: bool | None = None,
        options: Sequence[str] = (),
        **env: str,
    ) -> Client:
        """Start a client, wait until its sshd answers, and pin its host key.

        `installed` as of the laboratory. `options` are docker's; variables of the image go by name.
        """
        self._count += 1
        client = Client(name or f"c{self._count}-{self.id}")
        variables = [word for key, value in env.items() for word in ("-e", f"{key}={value}")]
        key = f"{self.key}.pub:/authorized_keys:ro"
        common = ["--name", client.name, "--network", self.network, "--label", self.label]
        if (self.installed if installed is None else installed) and image == "borgpull-client":
            common += ["-v", f"{installed_borg()}:/usr/local/lib/borg:ro"]
            common += ["-v", f"{installed_borg().parent}/borg:/usr/local/bin/borg:ro"]
        docker("run", "-d", *common, "-v", key, *variables, *options, image)
        self._clients.append(client)
        port = int(env.get("PORT", "22"))
        client.await_sshd(port)
        if trust:
            self.pin(client.name, client.ip(), port)
        return client

    def pin(self, host: str, ip: str, port: int = 22) -> None:
        """What `trust --yes` comes to, without a sidecar: that is a test of its own."""
        target = Target(user="root", host=host, port=port)
        scanned = hostkeys.scan(Target(user="root", host=ip, port=port))
        name = hostkeys.pattern(target)
        lines = [f"{name} {line.partition(' ')[2]}" for line in scanned]
        hostkeys.pin(target, lines, self.state / PINNED, replace=False)
        if self.owner is not None:
            os.chown(self.state / PINNED, self.owner, self.owner)

    def trust(self, address: str) -> Completed:
        user = () if self.owner is None else ("--user", f"{self.owner}:{self.owner}")
        return self.sidecar("trust", "--yes", address, rung="none", options=user)

    def _passphrase_file(self, name: str, text: str) -> Path:
        path = self.key.parent / name
        if not path.exists():  # a sidecar of another thread may be reading it
            path.write_text(text + "\n")
        return path

    def command(
        self,
        *args: str,
        rung: Rung,
        options: Sequence[str],
        passphrase: str | None,
        name: str,
    ) -> list[str]:
        argv = ["docker", "run", "--rm", "--name", name, "--label", self.label]
        argv += rung_options(rung)
        argv += [] if "--network" in options else ["--network", self.network]
        argv += ["-v", f"{self.repo}:/repo", "-v", f"{self.state}:/state"]
        argv += ["-v", f"{self.key}:/run/secrets/ssh_key:ro"]
        if passphrase is not None:
            file = self._passphrase_file(f"passphrase-{abs(hash(passphrase))}", passphrase)
            argv += ["-v", f"{file}:/run/secrets/passphrase:ro"]
        return [*argv, *options, IMAGE, *args]

    def sidecar(
        self,
        *args: str,
        rung: Rung = "userns",
        options: Sequence[str] = (),
        passphrase: str | None = UNSET,
        timeout: float = TIMEOUT,
    ) -> Completed:
        """The documents' `docker run … borgpull ARGS`, to its end.

        A container's life is not what most tests look at: under the usual flags the command goes
        into one of these flags that is there. Its start would take longer than most commands.
        """
        secret = self.passphrase if passphrase is UNSET else passphrase
        if self.keep and args[:1] and args[0] in ON_CLIENT and "--keep-runtime" not in args:
            args = (args[0], "--keep-runtime", *args[1:])
        name = f"s{uuid.uuid4().hex[:8]}-{self.id}"
        usual = tuple(options) in ((), PLAIN) and secret == self.passphrase
        if usual and args[:1] and args[0] in (*LOOKING, *REACHING):
            looks = args[0] in LOOKING
            name = self._standing("none" if looks else rung, tuple(options), network=not looks)
            argv = ["docker", "exec", name, "borgpull", *args]
        else:
            argv = self.command(*args, rung=rung, options=options, passphrase=secret, name=name)
        try:
            done = subprocess.run(argv, capture_output=True, timeout=timeout, check=False)
        except subprocess.TimeoutExpired:
            docker("rm", "-f", name, check=False)
            self._standing_names.discard(name)
            raise
        return Completed.of(args, done)

    def passphrase_path(self) -> Path:
        return self._passphrase_file("passphrase", self.passphrase)

    def drill(self, *args: str, options: Sequence[str] = (), **more: Any) -> Completed:
        """The documents' `docker run --network none … borgpull drill CLIENT`, to its end."""
        volumes = [
            "--network",
            "none",
            *([] if any("/scratch" in word for word in options) else ["-v", "/scratch"]),
        ]
        volumes += options
        return self.sidecar("drill", "--json", *args, rung="none", options=volumes, **more)

    def plain(self, *args: str, options: Sequence[str] = (), **more: Any) -> Completed:
        """The README's `docker run` of the methods with borg on the client, to its end."""
        return self.sidecar(*args, rung="none", options=[*PLAIN, *options], **more)

    def pull(self, method: str, client: Client, *words: str, **more: Any) -> dict[str, Any]:
        """A backup by borg on the client that succeeds; its result event."""
        done = self.plain(method, "--json", "--init", client.address, *words, **more)
        assert done.rc == 0, done.stdout[-2000:] + done.stderr
        return done.result

    def start_sidecar(self, *args: str, rung: Rung = "userns", options: Sequence[str] = ()) -> Run:
        """The same, under way."""
        name = f"s{uuid.uuid4().hex[:8]}-{self.id}"
        argv = self.command(
            *args, rung=rung, options=options, passphrase=self.passphrase, name=name
        )
        return Run(name, argv, self.folder / f"{name}.log")

    def host_argv(self, *args: str) -> list[str]:
        """The host's CLI with the docker launcher, on this laboratory's folders."""
        verb, *rest = args
        options = ["--image", IMAGE, "--repo", str(self.repo), "--state", str(self.state)]
        if verb == "trust":
            options = ["--image", IMAGE, "--state", str(self.state), "--network", self.network]
        elif verb != "doctor":
            options += ["--passphrase-file", str(self.key.parent / "passphrase")]
        if verb in (*METHODS, "restore"):
            options += ["--ssh-key", str(self.key), "--network", self.network]
        return [str(HOST_CLI), verb, *options, *rest]

    def host(self, *args: str, timeout: float = TIMEOUT) -> Completed:
        argv = self.host_argv(*args)
        done = subprocess.run(argv, capture_output=True, timeout=timeout, check=False)
        return Completed.of(args, done)

    def start_host(self, *args: str) -> Run:
        name = f"h{uuid.uuid4().hex[:8]}"
        return Run(name, self.host_argv(*args), self.folder / f"{name}.log")

    def backup(self, client: Client, *paths: str, options: Sequence[str] = ()) -> dict[str, Any]:
        """A backup that succeeds; its result event."""
        done = self.sidecar("sshfs", "--json", "--init", *options, client.address, *paths)
        assert done.rc == 0, done.stdout[-2000:] + done.stderr
        return done.result

    def by_hand(self, client: Client, archive: str, *paths: str) -> None:
        """`borg create` by hand, on the client's own volume with the client's names, into the same
        repository: what a borg on the client would have made.
        """
        names = [word for name in ("passwd", "group") for word in self.copy(client, name)]
        argv = ["docker", "run", "--rm", "--label", self.label, "--volumes-from", client.name]
        argv += [*names, "-v", f"{self.repo}:/repo", "-e", f"BORG_REPO=/repo/{client.name}"]
        argv += ["-v", f"{self.key.parent / 'passphrase'}:/run/secrets/passphrase:ro"]
        for name in ("RELOCATED_REPO", "UNKNOWN_UNENCRYPTED_REPO"):
            argv += ["-e", f"BORG_{name}_ACCESS_IS_OK=yes"]
        script = 'exec 5</run/secrets/passphrase; export BORG_PASSPHRASE_FD=5; cd /; exec borg "$@"'
        create = ["create", f"::{archive}", *(path.lstrip("/") for path in paths)]
        subprocess.run(
            [*argv, "--entrypoint", "bash", IMAGE, "-c", script, "borg", *create],
            check=True,
            timeout=TIMEOUT,
        )
        if self.owner is not None:  # it ran as root
            own = f"{self.owner}:{self.owner}"
            subprocess.run(["chown", "-R", own, str(self.repo)], check=True, timeout=60)

    def copy(self, client: Client, name: str) -> list[str]:
        """A file of the client's /etc, as a mount over a container's own."""
        local = self.folder / f"{client.name}-{name}"
        local.write_text(client.exec("cat", f"/etc/{name}"))
        return ["-v", f"{local}:/etc/{name}:ro"]

    def borg_bytes(self, client: str, *args: str) -> bytes:
        """Stock borg on a repository, without any of our code; standard output."""
        folder = self.repo / client
        user = folder.stat().st_uid if folder.exists() else 0  # whose files borg's must be
        argv = ["docker", "exec", "-u", f"{user}:{user}", "-e", f"BORG_REPO=/repo/{client}"]
        done = subprocess.run(
            [*argv, self._stock_borg(), "bash", "-c", _BORG, "borg", *args],
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert done.returncode in (0, 1), done.stderr.decode(errors="replace")
        return done.stdout

    def _standing(self, rung: Rung, options: tuple[str, ...], *, network: bool) -> str:
        """A sidecar that waits for commands, started once.

        What looks at a repository needs no network, and gets none.
        """
        words = ("plain" if options else "root", rung, "net" if network else "alone", self.id)
        name = "-".join(words)
        with self._starting:
            if name not in self._standing_names:
                argv = self.command(
                    "infinity",
                    rung=rung,
                    options=(*options, *WAITING),
                    passphrase=self.passphrase,
                    name=name,
                )
                if not network:
                    argv[argv.index(self.network)] = "none"
                docker(argv[1], "-d", *argv[2:])
                self._standing_names.add(name)
        return name

    def _stock_borg(self) -> str:
        """A container for it, started once as well."""
        name = f"borg-{self.id}"
        with self._starting:
            if not self._borg_runs:
                argv = ["run", "-d", "--init", "--name", name, "--label", self.label]
                argv += ["-v", f"{self.repo}:/repo"]
                argv += ["-v", f"{self.key.parent / 'passphrase'}:/run/secrets/passphrase:ro"]
                for word in ("RELOCATED_REPO", "UNKNOWN_UNENCRYPTED_REPO"):
                    argv += ["-e", f"BORG_{word}_ACCESS_IS_OK=yes"]
                docker(*argv, "--entrypoint", "sleep", IMAGE, "infinity")
                self._borg_runs = True
        return name

    def borg(self, client: str, *args: str) -> str:
        return self.borg_bytes(client, *args).decode(errors="surrogateescape")
