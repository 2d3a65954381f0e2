"""The lowest rung for real: no capability, the project's seccomp profile, /dev/fuse."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Sequence
from typing import Any

import pytest

from borgpull.launchers import seccomp

pytestmark = pytest.mark.docker

IMAGE = "borgpull:latest"

# Namespaces as a job makes them. argv[1]: "user" or "" for a mount namespace alone.
DANCE = r"""
import json, os, socket, subprocess, sys, time

user = ["--user"] if sys.argv[1] == "user" else []
holder = subprocess.Popen(
    ["unshare", *user, "--mount", "--propagation", "private", "cat"],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
try:
    holder.stdin.write("ready\n"); holder.stdin.flush()
except BrokenPipeError:
    pass
if holder.stdout.readline() != "ready\n":
    print(json.dumps({"unshare": holder.stderr.read()}))
    sys.exit()
if user:
    for kind in "uid", "gid":
        with open(f"/proc/{holder.pid}/{kind}_map", "w") as file:
            file.write("0 0 4294967295\n")

enter = ["nsenter", "--target", str(holder.pid), *user, "--mount", "--"]
out = {}

def run(*argv):
    done = subprocess.run([*enter, *argv], capture_output=True, text=True, timeout=60)
    return done.returncode, (done.stdout + done.stderr).strip()

def must(*argv):
    code, text = run(*argv)
    assert code == 0, (argv, text)
    return text

def mountinfo():
    with open(f"/proc/{holder.pid}/mountinfo") as file:
        return [line.split() for line in file]

def options(folder):
    return [line[5] for line in mountinfo() if line[4] == folder]

jail = "/tmp/jail"
os.mkdir(jail)
must("mount", "-t", "tmpfs", "-o", "mode=0755", "jail", jail)
must("mkdir", "-p", *(f"{jail}/{name}" for name in ("usr", "proc", "mnt/client", "tmp")))
must("mount", "--rbind", "/usr", f"{jail}/usr")
must("mount", "-o", "remount,bind,ro,nosuid,nodev", f"{jail}/usr")
must("mount", "--rbind", "/proc", f"{jail}/proc")
for name in "bin", "lib", "lib64":
    must("ln", "-s", f"usr/{name}", f"{jail}/{name}")
out["usr"] = options(f"{jail}/usr")
out["usr written"] = run("touch", f"{jail}/usr/x")
chroot = ["chroot", jail]
out["python"] = run(*chroot, "python3", "-c", "import hashlib, threading\n"
                    "thread = threading.Thread(target=print, args=('thread',))\n"
                    "thread.start(); thread.join()")
out["borg"] = run(*chroot, "borg", "--version")
out["setpriv"] = run(*chroot, "setpriv", "--no-new-privs", "--inh-caps=-all",
                     "--bounding-set=-all,+dac_override", "--pdeathsig=KILL", "--",
                     "grep", "^CapEff", "/proc/self/status")

os.makedirs("/srv/data")
with open("/srv/data/file", "w") as file:
    file.write("content\n")
os.chmod("/srv/data/file", 0o600)
os.chown("/srv/data/file", 4711, 4712)
subprocess.run(["cp", "/usr/bin/true", "/srv/data/program"], check=True)
os.chmod("/srv/data/program", 0o4755)
os.symlink("/etc/passwd", "/srv/data/link")
os.makedirs("/run/sshd", exist_ok=True)
os.makedirs("/root/.ssh", mode=0o700, exist_ok=True)
quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
subprocess.run(["ssh-keygen", "-A"], **quiet)
subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/.ssh/key"], check=True)
os.rename("/root/.ssh/key.pub", "/root/.ssh/authorized_keys")
subprocess.run(["/usr/sbin/sshd", "-p", "2222", "-o", "ListenAddress=127.0.0.1"], check=True)

def until(true):
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)

def answers():
    try:
        with socket.create_connection(("127.0.0.1", 2222), 2) as there:
            return there.recv(4) == b"SSH-"
    except OSError:
        return False

until(answers)  # sshd goes into the background before it listens

tree = f"{jail}/mnt/client"
sshfs = subprocess.Popen(
    [*enter, "setpriv", "--pdeathsig", "KILL", "--", "sshfs", "-f",
     "-o", "ro,nodev,nosuid,noexec,no_contain_symlinks,port=2222,IdentityFile=/root/.ssh/key",
     "-o", "StrictHostKeyChecking=accept-new", "root@127.0.0.1:/", tree],
    stdin=subprocess.DEVNULL)

def mounted():
    assert sshfs.poll() is None, "sshfs ended"
    return options(tree)

until(mounted)
out["sshfs"] = options(tree)
data = f"{tree}/srv/data"
out["owner"] = run("stat", "-c", "%u %g %a", f"{data}/file")
out["content"] = run(*chroot, "cat", "/mnt/client/srv/data/file")
out["written"] = run("touch", f"{data}/new")
out["executed"] = run(f"{data}/program")
out["link"] = run("readlink", f"{data}/link")
out["covered"] = run("mount", "-t", "tmpfs", "none", f"{tree}/run")
with open("/proc/self/mountinfo") as file:
    out["outside"] = [line for line in file if jail in line]

holder.kill(); holder.wait()
out["sshfs outlives the holder"] = sshfs.poll() is None
middle = subprocess.Popen(
    ["python3", "-c", "import subprocess, sys\n"
     "child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)\n"
     "child.stdout.readline(); print(child.pid, flush=True); child.wait()\n",
     "nsenter", "--target", str(sshfs.pid), *enter[3:],
     "setpriv", "--pdeathsig", "KILL", "--", *chroot, "sh", "-c", "echo; exec sleep 600"],
    stdout=subprocess.PIPE, text=True)
pid = int(middle.stdout.readline())
middle.kill(); middle.wait()

def state():
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # the latter if it goes between the two calls
        return "gone"

until(lambda: state() in ("gone", "Z"))
out["parent death"] = state()
sshfs.kill(); sshfs.wait()
with open("/proc/self/mountinfo") as file:
    out["left"] = [line for line in file if jail in line or "fuse.sshfs" in line]
print(json.dumps(out))
"""

# Each call with arguments that the kernel refuses, so none has an effect where it is allowed.
CALLS = r"""
import ctypes, errno, json, os, platform, socket, sys

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
column = {"x86_64": 0, "aarch64": 1}[platform.machine()]
bad = ctypes.c_long(-1)
numbers = {
    "add_key": (248, 217), "bpf": (321, 280), "finit_module": (313, 273), "init_module": (175, 105),
    "io_uring_setup": (425, 425), "kexec_file_load": (320, 294), "kexec_load": (246, 104),
    "keyctl": (250, 219), "open_by_handle_at": (304, 265), "perf_event_open": (298, 241),
    "process_vm_readv": (310, 270), "ptrace": (101, 117), "request_key": (249, 218),
    "userfaultfd": (323, 282), "mbind": (237, 235), "pivot_root": (155, 41),
    "mount": (165, 40), "fsopen": (430, 430), "open_tree": (428, 428),
}
tmpfs = ctypes.c_char_p(b"tmpfs")
arguments = {
    "mount": (tmpfs, ctypes.c_char_p(b"/mnt"), tmpfs, ctypes.c_long(0), None),
    "fsopen": (tmpfs, ctypes.c_long(0)),
    "open_tree": (ctypes.c_long(-100), ctypes.c_char_p(b"/usr"), ctypes.c_long(1)),
}
out = {}

def call(name, number, *args):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *args)
    out[name] = errno.errorcode.get(ctypes.get_errno(), "OK") if result < 0 else "OK"
    return result

for name, pair in numbers.items():
    call(name, pair[column], *arguments.get(name, (bad,) * 5))
call("clone3", 435, None, ctypes.c_long(0))
for name, bit in (("cgroup", 0x2000000), ("uts", 0x4000000), ("ipc", 0x8000000),
                  ("pid", 0x20000000), ("net", 0x40000000), ("time", 0x80)):
    reader, writer = os.pipe()
    child = os.fork()  # where it is allowed, it is for a process of its own
    if child == 0:
        call(f"unshare {name}", (272, 97)[column], ctypes.c_long(0x10000000 | bit))
        os.write(writer, out[f"unshare {name}"].encode())
        os._exit(0)
    os.waitpid(child, 0)
    out[f"unshare {name}"] = os.read(reader, 99).decode()
pid = call("clone user", (56, 220)[column], ctypes.c_long(0x10000000 | 17), None, None, None, None)
if pid == 0:
    os._exit(0)
for name, domain in (("vsock", 40), ("alg", 38), ("packet", 17), ("key", 15)):
    try:
        socket.socket(domain, socket.SOCK_RAW).close()
        out[f"socket {name}"] = "OK"
    except OSError as error:
        out[f"socket {name}"] = errno.errorcode[error.errno]
print(json.dumps(out))
"""


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the lowest rung adds to `docker run`."""
    path = tmp_path_factory.mktemp("seccomp") / "profile.json"
    path.write_text(seccomp.render())
    return ["--security-opt", f"seccomp={path}", "--security-opt", "apparmor=unconfined"]


def python(script: str, *args: str, options: Sequence[str]) -> dict[str, Any]:
    """Run a script in the image, as container root; its last line is JSON."""
    name = f"borgpull-test-seccomp-{uuid.uuid4().hex[:12]}"
    argv = ["docker", "run", "--rm", "--interactive", "--name", name, "--network", "none"]
    argv += ["--device", "/dev/fuse", *options, "--entrypoint", "python3", IMAGE, "-", *args]
    try:
        done = subprocess.run(
            argv, input=script, capture_output=True, text=True, timeout=120, check=False
        )
    finally:
        remove = ["docker", "rm", "--force", name]
        subprocess.run(remove, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def check_job(out: dict[str, Any]) -> None:
    """A whole job's worth of mounts worked."""
    assert {"ro", "nosuid", "nodev"} <= set(out["usr"][0].split(","))
    assert out["usr written"][0] == 1
    assert out["python"] == [0, "thread"]
    assert out["borg"][0] == 0, out["borg"]
    assert out["setpriv"] == [0, "CapEff:\t0000000000000002"]
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(out["sshfs"][0].split(","))
    assert out["owner"] == [0, "4711 4712 600"]
    assert out["content"] == [0, "content"]
    assert out["written"][0] == 1
    assert out["executed"][0] == 126
    assert out["link"] == [0, "/etc/passwd"]
    assert out["covered"][0] == 0, out["covered"]
    assert out["outside"] == []
    assert out["sshfs outlives the holder"]
    assert out["parent death"] in {"gone", "Z"}
    assert out["left"] == []


@pytest.mark.parametrize("extra", [[], ["--init"], ["--security-opt", "no-new-privileges"]])
def test_a_job_without_capabilities(options: list[str], extra: list[str]) -> None:
    check_job(python(DANCE, "user", options=[*options, *extra]))


def test_three_capabilities_suffice(options: list[str]) -> None:
    """For the map of all ids; SETFCAP because uid 0 is in it (Linux 5.12).

    The others are for the client's side of the test: its files, and sshd.
    """
    few = ["--cap-drop", "ALL"]
    for name in ("SETUID", "SETGID", "SETFCAP", "CHOWN", "FOWNER", "DAC_OVERRIDE", "SYS_CHROOT"):
        few += ["--cap-add", name]
    check_job(python(DANCE, "user", options=[*options, *few]))


def test_sys_admin_and_the_default_profile() -> None:
    options = ["--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined"]
    check_job(python(DANCE, "", options=options))


@pytest.mark.parametrize("kind", ["user", ""])
def test_the_default_profile_is_not_enough(kind: str) -> None:
    assert "Operation not permitted" in python(DANCE, kind, options=[])["unshare"]


def test_what_is_denied(options: list[str]) -> None:
    out = python(CALLS, options=options)
    assert out.pop("clone3") == "ENOSYS"
    assert set(out.values()) == {"EPERM"}, out


def test_it_is_the_profile_that_denies() -> None:
    """The same calls without a filter: what needs no capability then fails by its arguments."""
    out = python(CALLS, options=["--security-opt", "seccomp=unconfined"])
    free = "add_key clone3 io_uring_setup keyctl process_vm_readv ptrace request_key".split()
    for name in (*free, "clone user", "unshare net", "unshare pid", "socket alg"):
        assert out[name] != "EPERM", name
    for name in ("mount", "fsopen", "open_tree"):
        assert out[name] == "EPERM", "outside of its namespaces the container has no SYS_ADMIN"
