"""The runtime that the image holds for clients: complete in itself, on whatever client."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.lab import IMAGE, ROOT, Lab, docker

pytestmark = pytest.mark.docker

SHARE = "/usr/local/share/borgpull"
R = "/x/runtime"
# glibc of the same version, an older one beside another borg, and none at all
HOSTS = ["borgpull-client", "borgpull-borg12-client", "borgpull-busybox-client"]

# Everything that borg loads, and then whence it came.
LOADED = """
import pathlib, sys
import borg.archiver, borg.selftest
print(sys.prefix, sys.exec_prefix, *sys.path)
print(*(m.__file__ for m in list(sys.modules.values()) if getattr(m, "__file__", None)))
maps = pathlib.Path("/proc/self/maps").read_text().splitlines()
print(*{line.split()[5] for line in maps if len(line.split()) > 5})
"""

# user.*, and an ACL as the kernel has it: owner, a user 4711, group, mask, others
MAKE = """
import os, struct
os.makedirs("/srv/data/tree")
with open("/srv/data/tree/file", "w") as file:
    file.write("kept")
os.symlink("file", "/srv/data/tree/link")
for name in (b"latin1-caf\\xe9", "utf8-\\u20ac".encode()):
    os.symlink(b"file", b"/srv/data/tree/" + name)
os.chown("/srv/data/tree/file", 4711, 54321)
os.setxattr("/srv/data/tree/file", "user.comment", b"pulled")
none = 0xFFFFFFFF
entries = [(1, 6, none), (2, 4, 4711), (4, 4, none), (16, 4, none), (32, 0, none)]
acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
os.setxattr("/srv/data/tree/file", "system.posix_acl_access", acl)
"""
SHOW = """
import os, sys
os.chdir(sys.argv[1])
facts = os.stat("file")
print(sorted(os.listdir(b".")))
print(open("file").read(), os.readlink("link"), facts.st_uid, facts.st_gid, oct(facts.st_mode))
print(facts.st_mtime_ns, {name: os.getxattr("file", name) for name in sorted(os.listxattr("file"))})
"""


@dataclass(frozen=True)
class Host:
    """A container with a read-only root and a folder in memory, where the runtime is unpacked."""

    name: str

    def run(
        self, *argv: str, stdin: bytes = b"", check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        # borg's self-test writes temporary files; in /tmp, which cannot be written to, if not told
        env = ["-e", "BORG_BASE_DIR=/x/borg", "-e", "BORG_PASSPHRASE=secret", "-e", "TMPDIR=/x"]
        done = subprocess.run(
            ["docker", "exec", "-i", *env, self.name, *argv],
            input=stdin,
            capture_output=True,
            timeout=120,
            check=False,
        )
        out, err = done.stdout.decode(), done.stderr.decode()
        assert not check or done.returncode == 0, out + err
        return subprocess.CompletedProcess(argv, done.returncode, out, err)

    def sh(self, script: str, *, check: bool = True) -> str:
        return self.run("sh", "-c", script, check=check).stdout

    def python(self, code: str, *args: str) -> str:
        return self.run(f"{R}/python", "-c", code, *args).stdout


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's folder with the runtime, on this machine."""
    folder = tmp_path_factory.mktemp("runtime")
    name = f"borgpull-test-runtime-{uuid.uuid4().hex[:8]}"
    docker("create", "--name", name, IMAGE)
    try:
        docker("cp", f"{name}:{SHARE}/.", str(folder))
    finally:
        docker("rm", "-f", name)
    return folder


@pytest.fixture(scope="module", params=HOSTS)
def host(request: pytest.FixtureRequest, packed: Path) -> Iterator[Host]:
    name = f"borgpull-test-runtime-{uuid.uuid4().hex[:8]}"
    confined = ["--read-only", "--network", "none", "--tmpfs", "/x:exec", "--entrypoint", "sleep"]
    try:
        docker(
            "run", "-d", "--name", name, *confined, "--entrypoint", "sleep", request.param, "600"
        )
        made = Host(name)
        made.sh(f"mkdir {R}")
        # GNU tar or busybox's
        tar = (packed / "runtime.tar.gz").read_bytes()
        made.run("tar", "-xzf", "-", "-C", R, stdin=tar)
        yield made
    finally:
        docker("rm", "-f", "-v", name, check=False)


def test_the_facts_are_those_of_the_tar(packed: Path) -> None:
    facts = json.loads((packed / "runtime.json").read_text())
    assert facts["machine"] == docker("run", "--rm", "--entrypoint", "uname", IMAGE, "-m").strip()
    assert facts["borg"] == "1.4.5"
    tar = packed / "runtime.tar.gz"
    assert hashlib.sha256(tar.read_bytes()).hexdigest() == facts["sha256"]
    assert tar.stat().st_size < 16e6
    files: dict[str, bytes] = {}
    names = []
    with tarfile.open(tar) as archive:
        for member in archive:
            assert member.isreg() or member.isdir(), f"{member.name}: busybox may not unpack it"
            assert (member.uid, member.gid, member.mtime) == (0, 0, 946684800), member.name
            names.append(member.name)
            if file := archive.extractfile(member):
                files[member.name] = file.read()
    assert names == sorted(names, key=lambda name: name.split("/")), "the order is not fixed"
    assert sum(map(len, files.values())) == facts["size"] < 45e6
    manifest = files.pop("MANIFEST")
    assert hashlib.sha256(manifest).hexdigest() == facts["files_sha256"]
    sums = {f"{hashlib.sha256(data).hexdigest()}  ./{name}" for name, data in files.items()}
    assert set(manifest.decode().splitlines()) == sums


def test_packing_again_makes_the_same_bytes(packed: Path, tmp_path: Path) -> None:
    pack = ["-v", f"{ROOT}/images/sidecar/pack_runtime.py:/pack.py:ro", "-v", f"{tmp_path}:/out"]
    docker("run", "--rm", *pack, "--entrypoint", "python3", IMAGE, "/pack.py", "/out")
    for name in ("runtime.json", "runtime.tar.gz"):
        assert (tmp_path / name).read_bytes() == (packed / name).read_bytes()


def test_the_client_can_check_what_it_got(host: Host) -> None:
    check = f"cd {R} && sha256sum -c MANIFEST"
    assert host.sh(check).count(": OK\n") > 400
    host.sh(f"cp {R}/borg /x/kept && echo >>{R}/borg")
    try:
        assert host.run("sh", "-c", check, check=False).returncode != 0
    finally:
        host.sh(f"mv /x/kept {R}/borg")


def test_the_programs_run(host: Host) -> None:
    assert host.sh(f"{R}/borg --version") == "borg 1.4.5\n"
    assert host.run(f"{R}/ssh", "-V").stderr.startswith("OpenSSH")
    assert host.sh(f"{R}/socat -V").startswith("socat")
    # Programs of the host that they start, of another libc, are not led astray.
    assert host.sh(f"echo through | {R}/socat - EXEC:cat") == "through\n"


def test_nothing_of_the_client_is_loaded(host: Host) -> None:
    paths, modules, maps = (line.split() for line in host.python(LOADED).splitlines())
    assert paths[:2] == [R, R]
    assert len(modules) > 100
    mapped = [path for path in maps if not path.startswith("[")]
    assert len(mapped) > 20
    for path in [*paths, *modules, *mapped]:
        assert path == R or path.startswith(f"{R}/"), path


def test_a_backup_there_and_back(host: Host) -> None:
    host.python(MAKE)
    host.sh(f"{R}/borg init -e repokey-blake2 /x/repo")
    host.sh(f"cd /srv/data && {R}/borg create --compression zstd /x/repo::one tree")
    host.sh(f"{R}/borg check --verify-data /x/repo")
    host.sh(
        f"mkdir /srv/data/back && cd /srv/data/back && {R}/borg extract --numeric-ids /x/repo::one"
    )
    original = host.python(SHOW, "/srv/data/tree")
    assert "user.comment" in original
    assert "system.posix_acl_access" in original
    assert host.python(SHOW, "/srv/data/back/tree") == original


def test_its_ssh_logs_in_from_where_there_is_none(lab: Lab, packed: Path) -> None:
    there = lab.client(trust=False, SEED="0")
    here = Host(lab.client("borgpull-busybox-client", trust=False, SEED="0").name)
    here.sh(f"mkdir -p {R}")
    here.run("tar", "-xzf", "-", "-C", R, stdin=(packed / "runtime.tar.gz").read_bytes())
    here.run("sh", "-c", "umask 077; cat >/x/key", stdin=lab.key.read_bytes())
    known = there.exec("cat", "/run/sshd-keys/ssh_host_ed25519_key.pub")
    here.run("sh", "-c", "cat >/x/known", stdin=f"{there.name} {known}".encode())
    options = "-i /x/key -o BatchMode=yes -o UserKnownHostsFile=/x/known"
    assert here.sh(f"{R}/ssh {options} {there.address} id -u") == "0\n"
