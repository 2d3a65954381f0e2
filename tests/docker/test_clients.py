"""The machines that the other tests back up are what they claim to be."""

from __future__ import annotations

import io
import itertools
import re
import struct
import subprocess
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.lab import docker

pytestmark = [
    pytest.mark.docker,
    pytest.mark.inputs("images/client", "images/busybox-client", "scripts/build_images.py"),
]

CLIENT, BUSYBOX = "borgpull-client", "borgpull-busybox-client"
BORG12 = "borgpull-borg12-client"
HOSTILE = (
    "symlinks fifo-passwd huge-passwd passwd-symlink-out big-folder deep-path names booby-trap"
).split()


class Entry(NamedTuple):
    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    links: int
    inode: int
    mtime: str
    ctime: str
    target: str


def parse(listing: str) -> dict[str, Entry]:
    entries = {}
    for line in listing.splitlines():
        path, facts, target = line.split("\t")
        kind, mode, uid, gid, size, links, inode, mtime, ctime = facts.split(" ")
        entries[path] = Entry(
            kind=kind,
            mode=int(mode, 8),
            uid=int(uid),
            gid=int(gid),
            size=int(size),
            links=int(links),
            inode=int(inode),
            mtime=mtime,
            ctime=ctime,
            target=target,
        )
    return entries


@dataclass(frozen=True)
class Machine:
    name: str
    address: str
    key: Path
    port: int

    def exec(self, *argv: str) -> str:
        return docker("exec", self.name, *argv)

    def tree(self, *paths: str) -> dict[str, Entry]:
        return parse(self.exec("tree-list", *paths))

    def _run(self, argv: list[str], stdin: str = "") -> subprocess.CompletedProcess[bytes]:
        options = ["UserKnownHostsFile=/dev/null", "StrictHostKeyChecking=no", "BatchMode=yes"]
        words = ["-F", "none", "-i", str(self.key), *(f"-o{option}" for option in options)]
        return subprocess.run(
            [argv[0], *words, *argv[1:]],
            input=stdin.encode(),
            capture_output=True,
            timeout=60,
            check=False,
        )

    def ssh(
        self, command: str, *, user: str = "root", tty: bool = False, options: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[bytes]:
        flags = [*options, *(["-tt"] if tty else [])]
        return self._run(
            ["ssh", *flags, "-p", str(self.port), f"{user}@{self.address}", command], "exit\n"
        )

    def sftp(self, batch: str, *, user: str = "root") -> subprocess.CompletedProcess[bytes]:
        return self._run(["sftp", "-P", str(self.port), "-b", "-", f"{user}@{self.address}"], batch)


Start = Callable[..., Machine]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts containers; all of them are removed, with their volumes, whatever happens."""
    key = tmp_path_factory.mktemp("clients") / "key"
    keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(keygen, check=True, timeout=30)
    with ExitStack() as stack:

        def run(image: str = CLIENT, *, options: tuple[str, ...] = (), **env: str) -> Machine:
            name = f"borgpull-test-client-{uuid.uuid4().hex[:8]}"
            variables = [word for item in env.items() for word in ("-e", "=".join(item))]
            stack.callback(docker, "rm", "-f", "-v", name, check=False)
            mount = f"{key}.pub:/authorized_keys:ro"
            docker("run", "-d", "--name", name, "-v", mount, *variables, *options, image)
            deadline = time.monotonic() + 180
            while "up" not in docker(
                "exec", name, "sh", "-c", "[ ! -s /run/sshd.pid ] || echo up", check=False
            ):
                logs = docker("logs", name, check=False)
                assert time.monotonic() < deadline, f"sshd does not listen: {logs}"
                time.sleep(0.1)
            field = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
            address = docker("inspect", "-f", field, name).strip()
            return Machine(name, address, key, int(env.get("PORT", "22")))

        yield run


@pytest.fixture(scope="module")
def client(start: Start) -> Machine:
    # trusted.* attributes are for CAP_SYS_ADMIN.
    return start(options=("--cap-add", "SYS_ADMIN"))


@pytest.fixture(scope="module")
def seeded(client: Machine) -> dict[str, Entry]:
    return {path.removeprefix("/srv/data/"): e for path, e in client.tree("/srv/data").items()}


@pytest.fixture(scope="module")
def busybox(start: Start) -> Machine:
    return start(BUSYBOX)


@pytest.fixture(scope="module")
def openssh(start: Start) -> Machine:
    return start(BUSYBOX, SSHD="openssh")


@pytest.fixture(scope="module")
def borg12(start: Start) -> Machine:
    return start(BORG12, MANY="10")


@pytest.mark.parametrize("image", ["client", "busybox", "openssh", "borg12"])
@pytest.mark.parametrize("user", ["root", "alice"])
def test_a_fresh_key_logs_in(image: str, user: str, request: pytest.FixtureRequest) -> None:
    machine: Machine = request.getfixturevalue(image)
    shell = machine.ssh("id -un; id -Gn", user=user)
    assert shell.returncode == 0, shell.stderr
    assert shell.stdout.split() == (
        [b"root", b"root"] if user == "root" else b"alice alice crew".split()
    )
    files = machine.sftp("ls -la /srv/data\n", user=user)
    assert files.returncode == 0, files.stderr
    assert b"/srv/data/" in files.stdout


def test_another_key_does_not_log_in(client: Machine, tmp_path: Path) -> None:
    other = tmp_path / "other"
    keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)]
    subprocess.run(keygen, check=True, timeout=30)
    stranger = Machine(client.name, client.address, other, client.port)
    assert stranger.ssh("true").returncode == 255


def test_tree_list_twice_is_the_same(client: Machine) -> None:
    assert client.exec("tree-list", "/srv/data") == client.exec("tree-list", "/srv/data")


def test_logins_and_reading_leave_no_trace(client: Machine) -> None:
    def system() -> dict[str, Entry | None]:
        # fuse-overlayfs, where an engine uses it, tells a folder's new time late: names only.
        tree = client.tree("/etc", "/home", "/root", "/var", "/tmp", "/run", "/usr/local")
        return {path: None if entry.kind == "d" else entry for path, entry in tree.items()}

    data, before = client.tree("/srv/data"), system()
    assert client.ssh("cat /srv/data/files/plain.txt").returncode == 0
    assert client.ssh("", tty=True).returncode == 0
    assert client.ssh("", user="alice", tty=True).returncode == 0
    assert client.sftp("ls -la /srv/data/many/0000\n").returncode == 0
    assert client.tree("/srv/data") == data
    assert system() == before


def test_tree_list_fails_with_find(client: Machine) -> None:
    with pytest.raises(AssertionError, match="No such file"):
        client.exec("tree-list", "/nonexistent")


def test_seed_links(seeded: dict[str, Entry]) -> None:
    assert seeded["links/absolute"].target == "/srv/data/links/target"
    assert seeded["links/dotdot-out"].target.startswith("../../")
    assert seeded["links/dangling"].target == "nowhere"
    assert seeded["links/non-utf8-target"].target == r"raw-\351-target"
    names = ["links/hard-1", "links/hard-2", "links/sub/hard-3"]
    assert len({seeded[name].inode for name in names}) == 1
    assert seeded["links/hard-1"].links == 3


def test_seed_attributes(client: Machine) -> None:
    dump = client.exec(
        "getfattr", "--absolute-names", "-R", "-d", "-m", "-", "/srv/data/attributes"
    )
    for wanted in (
        'user.comment="pulled, not pushed"',
        "user.binary=0s",
        "user.empty",
        'user.on-folder="folder"',
        'trusted.secret="only root sees this"',
        "security.capability=",
    ):
        assert wanted in dump
    acl = client.exec("getfacl", "--absolute-names", "-R", "/srv/data/attributes")
    for wanted in ("user:alice:r--", "group:crew:rw-", "user:54321:r--", "default:user:alice:rwx"):
        assert wanted in acl
    capability = client.exec("getcap", "/srv/data/attributes/capability")
    assert capability.strip().endswith("cap_net_raw=ep")


def test_seed_special_files_and_modes(client: Machine, seeded: dict[str, Entry]) -> None:
    kinds = {name: seeded[f"special/{name}"].kind for name in ("fifo", "socket", "char", "block")}
    assert kinds == {"fifo": "p", "socket": "s", "char": "c", "block": "b"}
    numbers = client.exec(
        "stat", "-c", "%t:%T", "/srv/data/special/char", "/srv/data/special/block"
    )
    assert numbers.split() == ["1:3", "7:c8"]
    for mode in ("4755", "2755", "1644", "6711", "0000", "0400", "0666", "0777"):
        assert seeded[f"modes/file-{mode}"].mode == int(mode, 8)
    assert seeded["modes/sticky"].mode == 0o1777
    assert seeded["modes/setgid-folder"].mode == 0o2775
    assert seeded["modes/no-access"].mode == 0


def test_seed_sizes(client: Machine, seeded: dict[str, Entry]) -> None:
    assert seeded["files/empty"].size == 0
    assert seeded["files/eio-8mib.bin"].size == 8 << 20
    assert seeded["files/sparse-64mib"].size == 64 << 20
    assert int(client.exec("stat", "-c", "%b", "/srv/data/files/sparse-64mib")) < 100
    packed = client.exec("sh", "-c", "gzip -c /srv/data/files/eio-8mib.bin | wc -c")
    assert int(packed) > 8 << 20, "it should not compress"
    assert sum(re.fullmatch(r"many/\d+/file-\d+", path) is not None for path in seeded) == 2000


def test_seed_owners(seeded: dict[str, Entry]) -> None:
    owners = {path.removeprefix("owners/"): e[2:4] for path, e in seeded.items()}
    assert owners["alice"] == (4711, 4711)
    assert owners["crew"] == (0, 4712)
    assert owners["nameless"] == (54321, 54322)
    assert owners["huge-id"] == (4294967293, 4294967293)
    assert owners["link-of-alice"] == (4711, 4711)


def test_seed_names(seeded: dict[str, Entry]) -> None:
    for name in (
        r"latin1-caf\351-\374ber.txt",
        r"not-utf8-\377\376\200",
        r"new\012line",
        r"escape-\033[31mred\033[0m",
        "-rf",
        " space at both ends ",
        r"""quotes ' " ` $HOME \134 back""",
        "n" * 255,
        r"folder-\351-\012-two lines/inside",
    ):
        assert f"names/{name}" in seeded
    # 3,880 bytes of folders at most, in steps of 200
    assert 3690 < max(len(f"/srv/data/{path}") for path in seeded) < 3900


def test_seed_times(seeded: dict[str, Entry]) -> None:
    assert seeded["times/before-1970"].mtime.startswith("-")
    assert float(seeded["times/after-2038"].mtime) > 2**31
    assert seeded["times/last-nanosecond"].mtime == "999999999.9999999990"
    files = {path: e for path, e in seeded.items() if e.kind == "f"}
    # Files with the newest time are not in borg's files cache: by either time, they are empty.
    assert files["last-boot"].size == 0
    by_ctime = sorted(files, key=lambda path: float(files[path].ctime))
    assert by_ctime[-1] == "last-boot"
    assert files[by_ctime[-2]].ctime < files["last-boot"].ctime
    odd = {"times/before-1970", "times/after-2038"}
    assert all(files[path].size == 0 for path in odd)
    by_mtime = sorted(files.keys() - odd, key=lambda path: float(files[path].mtime))
    assert by_mtime[-1] == "last-boot"
    assert float(files[by_mtime[-2]].mtime) < 1_700_000_000, "not fixed in the past"


def test_seed_is_deterministic(start: Start) -> None:
    def seed() -> tuple[dict[str, Entry], str]:
        machine = start(MANY="50")
        facts = {
            path: entry._replace(inode=0, ctime="", size=entry.size if entry.kind == "f" else 0)
            for path, entry in machine.tree("/srv/data").items()
            if not path.endswith("/last-boot")
        }
        sums = (
            "find /srv/data -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum -z | sha256sum"
        )
        return facts, machine.exec("sh", "-c", sums)

    assert seed() == seed()


def test_port_and_own_settings(start: Start) -> None:
    machine = start(PORT="2222", SEED="0", SSHD_EXTRA="AllowTcpForwarding no\\nMaxSessions 7")
    assert machine.ssh("true").returncode == 0
    settings = machine.exec("/usr/sbin/sshd", "-T", "-f", "/run/sshd_config")
    assert "allowtcpforwarding no\n" in settings
    assert "maxsessions 7\n" in settings
    assert machine.exec("ls", "-A", "/srv/data") == ""


def test_sftp_is_read_only_unless_told(client: Machine, start: Start) -> None:
    assert client.sftp("mkdir /tmp/made\n").returncode == 1
    writable = start(SEED="0", SFTP_READONLY="0")
    assert writable.sftp("mkdir /tmp/made\n").returncode == 0


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_roots_serve_sftp_and_nothing_else(name: str, start: Start, tmp_path: Path) -> None:
    machine = start(HOSTILE=name)
    batch = f"ls -la /\nget /srv/data/worth-keeping {tmp_path}/kept\n"
    done = machine.sftp(batch)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "kept").read_text() == "this must be in the archive\n"
    assert b"uid=" not in machine.ssh("id").stdout
    tree = machine.tree("/srv/hostile")
    etc = "/srv/hostile/etc"
    if name == "symlinks":
        links = {
            link
            for link in "run proc dev sys etc".split()
            if tree[f"/srv/hostile/{link}"].kind == "l"
        }
        assert links == {"run", "proc", "dev", "sys", "etc"}
    elif name == "fifo-passwd":
        assert tree[f"{etc}/passwd"].kind == tree[f"{etc}/group"].kind == "p"
    elif name == "huge-passwd":
        assert tree[f"{etc}/passwd"].size == 1 << 30
    elif name == "passwd-symlink-out":
        assert tree[f"{etc}/passwd"].target == "../../../../etc/shadow"
    elif name == "big-folder":
        assert sum("/srv/data/big/" in path for path in tree) == 100_000
    elif name == "deep-path":
        assert max(len(path) for path in tree) - len("/srv/hostile") == 4000
    elif name == "names":
        assert {r"\012", r"\033", r"\377", "[red]"} <= {
            mark
            for mark, path in itertools.product((r"\012", r"\033", r"\377", "[red]"), tree)
            if mark in path
        }
    else:
        assert f"{etc}/ld.so.preload" in tree


def test_the_traps_go_off(start: Start) -> None:
    """A trap that cannot go off would prove nothing."""
    machine = start(HOSTILE="booby-trap")
    root = "/srv/hostile"
    library = f"{root}/usr/lib/x86_64-linux-gnu"

    def sprung(*argv: str, seen: str) -> bool:
        machine.exec("rm", "-f", f"{seen}/PWNED")
        # Most of these end in an error after the trap: only the trace counts.
        docker("exec", machine.name, *argv, check=False)
        found = docker("exec", machine.name, "ls", seen, check=False)
        return "PWNED" in found

    for program in ("/bin/sh", "/usr/bin/python3", "/lib64/ld-linux-x86-64.so.2"):
        assert sprung("chroot", root, program, seen=f"{root}/repo"), program
    assert sprung("env", f"LD_LIBRARY_PATH={library}", "/bin/true", seen="/tmp")
    assert sprung("env", f"LD_PRELOAD={library}/libnss_evil.so.2", "/bin/true", seen="/tmp")


def test_a_disk_that_breaks_and_heals(start: Start, tmp_path: Path) -> None:
    machine = start(SFTP_WRAPPER="eio", MANY="10")
    get = f"get /srv/data/files/eio-8mib.bin {tmp_path}/got\n"
    assert machine.sftp(get).returncode == 1
    assert (tmp_path / "got").stat().st_size <= 3_000_000
    assert machine.sftp(f"get /srv/data/files/plain.txt {tmp_path}/plain\n").returncode == 0
    assert machine.ssh("cat /srv/data/files/eio-8mib.bin | wc -c").stdout.strip() == b"8388608"
    machine.exec("rm", "/srv/control/eio")
    assert machine.sftp(get).returncode == 0
    assert (tmp_path / "got").stat().st_size == 8 << 20
    machine.exec("touch", "/srv/control/eio")
    assert machine.sftp(get).returncode == 1


def test_a_broken_disk_under_every_command(start: Start) -> None:
    machine = start(SFTP_WRAPPER="eio", PRELOAD_SCOPE="all", EIO_AT="1000", MANY="10")
    assert len(machine.ssh("cat /srv/data/files/eio-8mib.bin").stdout) == 1000


def test_a_slow_disk(start: Start) -> None:
    machine = start(SFTP_WRAPPER="slow", SLOW_US="5000")
    started = time.monotonic()
    assert machine.sftp("ls -la /srv/data/many/0000\n").returncode == 0
    assert time.monotonic() - started > 200 * 0.005


def test_the_client_has_neither_python_nor_borg(client: Machine) -> None:
    programs = "python3 borg socat perl5 gcc"
    assert client.exec("sh", "-c", f"for p in {programs}; do command -v $p || true; done") == ""


def is_dynamic(elf: bytes) -> bool:
    """Whether a 64-bit little-endian ELF file has PT_INTERP or PT_DYNAMIC, as dynamic ones do."""
    (offset,) = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    kinds = {struct.unpack_from("<I", elf, offset + i * size)[0] for i in range(count)}
    return bool(kinds & {2, 3})


def test_the_busybox_image_is_static(busybox: Machine) -> None:
    done = subprocess.run(
        ["docker", "export", busybox.name], capture_output=True, timeout=60, check=True
    )
    programs, libraries, dynamic = set(), [], []
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        for member in archive:
            if re.search(r"\.so(\.|$)|ld-(linux|musl)|python", member.name):
                libraries.append(member.name)
            file = archive.extractfile(member) if member.isreg() else None
            content = file.read() if file else b""
            if content.startswith(b"\x7fELF"):
                programs.add(member.name)
                dynamic += [member.name] if is_dynamic(content) else []
    assert libraries == dynamic == []
    assert programs == {
        *("bin/busybox", "sbin/dropbear", "sbin/sshd"),
        *("usr/libexec/sftp-server", "usr/libexec/sshd-session", "usr/libexec/sshd-auth"),
    }


@pytest.mark.parametrize("image", ["busybox", "openssh"])
def test_the_busybox_image_has_a_tree_and_a_host_key(
    image: str, request: pytest.FixtureRequest
) -> None:
    busybox: Machine = request.getfixturevalue(image)
    names = busybox.ssh("cd /srv/data && find . -print0").stdout.split(b"\0")
    assert {b"./plain.txt", b"./latin1-caf\xe9", b"./new\nline", b"./dangling"} <= set(names)
    public = busybox.exec("cat", "/run/hostkeys/ed25519.pub").split()[:2]
    scan = subprocess.run(
        ["ssh-keyscan", "-t", "ed25519", busybox.address],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert scan.stdout.split()[1:3] == public


@pytest.mark.parametrize("image", ["client", "openssh", "borg12"])
def test_ways_back_to_the_server(
    image: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Unix socket, agent and port, each behind a listener that the client's sshd makes."""
    machine: Machine = request.getfixturevalue(image)
    agent, back = tmp_path / "agent", f"/tmp/{uuid.uuid4().hex}"
    options = (
        *("-oExitOnForwardFailure=yes", "-A", f"-oIdentityAgent={agent}"),
        *("-R", f"{back}:{agent}", "-R", f"127.0.0.1:4712:{agent}"),
    )
    listens = "grep -q ':1268 .* 0A ' /proc/net/tcp"  # port 4712, state LISTEN
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(agent)]) as running:
        try:
            while not agent.exists():
                time.sleep(0.05)
            script = f'[ -S {back} ] && [ -S "$SSH_AUTH_SOCK" ] && {listens}'
            done = machine.ssh(script, options=options)
            assert done.returncode == 0, done.stderr
        finally:
            running.terminate()


def test_the_older_client_has_the_older_borg(borg12: Machine) -> None:
    assert borg12.exec("borg", "--version") == "borg 1.2.4\n"
    assert borg12.exec("sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME") == "bookworm\n"
    assert len(borg12.tree("/srv/data")) > 100


@pytest.mark.parametrize("image", ["client", "borg12"])
def test_sudo_is_there_and_not_for_alice(image: str, request: pytest.FixtureRequest) -> None:
    machine: Machine = request.getfixturevalue(image)
    assert machine.ssh("sudo -n id -u", user="alice").returncode == 1
    machine.exec("sh", "-c", "echo 'alice ALL=(root) NOPASSWD: ALL' >/etc/sudoers.d/alice")
    try:
        assert machine.ssh("sudo -n id -u", user="alice").stdout == b"0\n"
    finally:
        machine.exec("rm", "/etc/sudoers.d/alice")
