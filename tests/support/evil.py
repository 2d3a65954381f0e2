#!/usr/bin/python3
"""A client's borg in the hands of an attacker: `--client-borg /usr/local/bin/evil` (borg12-client).

It reads from /srv/control/plan what to do in the sessions of `create` and `rename`, writes what
came of it to /srv/control/log as JSON lines, and may do the honest thing after all, on the same
connection. It has what borg on a client has: the way to `borg serve` (BORG_RSH), the passphrase.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CONTROL = Path("/srv/control")
BORG = "/usr/bin/borg"
plan = json.loads((CONTROL / "plan").read_text())
if "--version" in sys.argv:
    print("borg", plan["version"])
    sys.exit()

from borg import archiver, helpers, remote  # type: ignore[import-not-found] # noqa: E402
from borg.logger import setup_logging  # type: ignore[import-not-found] # noqa: E402

if "BORG_PASSPHRASE_FD" in os.environ:
    with os.fdopen(int(os.environ.pop("BORG_PASSPHRASE_FD"))) as pipe:
        os.environ["BORG_PASSPHRASE"] = pipe.readline().rstrip("\n")
verb = next(word for word in sys.argv if word in ("create", "rename"))
own, other = plan["own"], plan["other"]


def log(name: str, answer: object) -> None:
    with (CONTROL / "log").open("a") as file:
        file.write(json.dumps([name, str(answer)]) + "\n")


def attempt(name: str, call: Callable[..., object], *args: object, **more: object) -> None:
    try:
        log(name, f"done: {call(*args, **more)!r}"[:2000])
    except Exception as error:
        log(name, f"{type(error).__name__}: {error}"[:2000])


class Ways:
    """The first Popen of borg's transport is real, every later one is the same again."""

    first: subprocess.Popen[bytes] | None = None

    @classmethod
    def popen(cls, *args: Any, **more: Any) -> subprocess.Popen[bytes]:
        cls.first = cls.first or subprocess.Popen(*args, **more)
        return cls.first


def connect(**more: bool) -> Any:
    args = archiver.Archiver().parse_args(["list", "::"])
    location = helpers.Location(os.environ["BORG_REPO"])
    return remote.RemoteRepository(location, args=args, lock_wait=5, **more)


def leave(repository: Any) -> None:
    """Without a goodbye, which would end the connection."""
    repository.p = None


def opening(repository: Any, path: str, **more: bool) -> None:
    repository.call(
        "open",
        {
            "path": path,
            "create": False,
            "lock_wait": 1,
            "lock": True,
            "exclusive": False,
            "append_only": False,
            "make_parent_dirs": True,
            **more,
        },
    )


def refused() -> None:
    """What `borg serve` must not do, one call after the other."""
    repository = connect()
    folder = os.path.dirname(own)
    for name, path in {
        "other": other,
        "above": folder,
        "home": "/~/x",
        "up": f"{own}/../{os.path.basename(other)}",
    }.items():
        attempt(f"open {name}", opening, repository, path)
        attempt(f"make {name}", opening, repository, path, create=True)
    attempt("make below", opening, repository, f"{own}/data/mine", create=True)
    attempt("make own", opening, repository, own, create=True)
    opening(repository, own, exclusive=True)
    attempt("destroy", repository.destroy)
    attempt("repair", repository.check, repair=True)
    for method in ("save_config", "compact_segments", "__init__", "__class__", "close"):
        attempt(f"call {method}", repository.call, method, {})
    leave(repository)


def shell() -> None:
    """By ssh with the key or agent that borg was given: anything but `borg serve`."""
    rsh = os.environ["BORG_RSH"].replace("-oClearAllForwardings=yes ", "")
    host = "borgpull-sidecar"
    for name, words in {
        "command": f"{rsh} {host} 'id; cat /etc/shadow; env'",
        "pty": f"{rsh} -tt {host} id",
        "sftp": f"{rsh} -s {host} sftp",
        "stdio": f"{rsh} -oExitOnForwardFailure=yes -W 127.0.0.1:22 {host}",
        "remote": f"{rsh} -N -oExitOnForwardFailure=yes -R 127.0.0.1:0:127.0.0.1:22 {host}",
        "local": f"{rsh} -N -L 127.0.0.1:7001:127.0.0.1:22 -D 127.0.0.1:7002 {host} & "
        # 7002, LISTEN
        "until grep -q ':1B5A .* 0A ' /proc/net/tcp || ! kill -0 $!; do sleep 0.1; done; "
        "timeout 3 bash -c 'head -c4 </dev/tcp/127.0.0.1/7001'; kill $!",
        "root": f"{rsh.replace('-oUser=borgpull', '-oUser=root')} {host} id",
    }.items():
        argv = ["timeout", "30", "sh", "-c", words]
        done = subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, text=True)
        log(name, f"{done.returncode} [{done.stdout}] {done.stderr}"[:3000])


def stock() -> None:
    """borg itself, on each repository."""
    urls = {"own": f"ssh://borgpull-sidecar{own}", "other": f"ssh://borgpull-sidecar{other}"}
    for name, words in {
        "list own": ["list", urls["own"]],
        "list other": ["list", urls["other"]],
        "info other": ["info", urls["other"]],
        "create other": ["create", f"{urls['other']}::mine", "/etc/hostname"],
        "delete other": ["delete", urls["other"]],
        "break-lock other": ["break-lock", urls["other"]],
        "init new": ["init", "-e", "none", f"ssh://borgpull-sidecar{own}-new"],
        "delete own": ["delete", urls["own"]],
        "repair own": ["check", "--repair", urls["own"]],
        "delete old": ["delete", f"{urls['own']}::old"],
        "compact own": ["compact", "--cleanup-commits", urls["own"]],
    }.items():
        env = {
            **os.environ,
            "BORG_DELETE_I_KNOW_WHAT_I_AM_DOING": "YES",
            "BORG_CHECK_I_KNOW_WHAT_I_AM_DOING": "YES",
        }
        argv = [BORG, "--lock-wait", "10", *words]
        done = subprocess.run(
            argv, capture_output=True, stdin=subprocess.DEVNULL, text=True, env=env
        )
        log(name, f"{done.returncode} {done.stdout} {done.stderr}"[:3000])


def vandal() -> None:
    """Everything is deleted, chunk by chunk, and as far as the client can see compacted."""
    repository = connect(exclusive=True)
    manifest, _ = helpers.Manifest.load(repository, helpers.Manifest.NO_OPERATION_CHECK)
    for name in list(manifest.archives):
        del manifest.archives[name]
    for chunk in repository.list():
        if chunk != helpers.Manifest.MANIFEST_ID:
            repository.delete(chunk)
    manifest.write()
    repository.commit(compact=True)
    log("vandal", len(manifest.archives))
    leave(repository)


def key() -> None:
    repository = connect(lock=False)
    attempt("key", repository.save_key, b"gone")
    leave(repository)


def background(call: Callable[[], None]) -> None:
    """`call` again and again in a process of its own, until the way is closed."""
    if os.fork():
        return
    os.setsid()
    null = os.open("/dev/null", os.O_RDWR)
    for number in range(5):  # with the channel's own, 3 and 4: or the session would last
        os.dup2(null, number)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            call()
            time.sleep(0.02)
        except BaseException as error:
            log("background ended", f"{type(error).__name__}")
            os._exit(0)


def late_key() -> None:
    """Once borg, as it seems, has ended."""
    Ways.first = None
    repository = connect(lock=False)
    seeming = os.getpid()

    def call() -> None:
        while os.getppid() == seeming:  # then at once: what is left of the run is short
            time.sleep(0.005)
        log("late", "done")  # before it: then the server may cut the way, and end this process
        repository.save_key(b"gone")

    background(call)
    leave(repository)


def honest() -> None:
    try:
        archiver.main()
    except SystemExit as end:
        if end.code:
            os._exit(int(end.code))


def begun() -> None:
    log("begun", verb)


def linger() -> None:
    """The archive is there, and nothing is locked; the server waits for this process.

    So does a borg that is to rename it: until it has begun, and could get somewhere.
    """
    deadline = time.monotonic() + 60
    path = CONTROL / "log"
    while not (path.exists() and "begun" in path.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)


def fail() -> None:
    os._exit(2)


def hide() -> None:
    """A good archive is made to look like one of the server's temporary ones."""
    repository = connect(exclusive=True)
    manifest, _ = helpers.Manifest.load(repository, helpers.Manifest.NO_OPERATION_CHECK)
    found = manifest.archives["old"]
    manifest.archives["old.unverified-1"] = found.id, found.ts
    del manifest.archives["old"]
    manifest.write()
    repository.commit(compact=True)
    log("hide", sorted(manifest.archives))
    leave(repository)


def alias() -> None:
    """A good archive gets a second name, one of the server's temporary ones."""
    repository = connect(exclusive=True)
    manifest, _ = helpers.Manifest.load(repository, helpers.Manifest.NO_OPERATION_CHECK)
    found = manifest.archives["old"]
    manifest.archives["old.unverified-1"] = found.id, found.ts
    manifest.write()
    repository.commit(compact=False)
    log("alias", sorted(manifest.archives))
    leave(repository)


def later() -> None:
    """The server orders a time, and gets another: what honest() makes is the newest for years."""
    sys.argv[sys.argv.index("--timestamp") + 1] = "2031-01-01T00:00:00"


def retime() -> None:
    """An old archive becomes the newest of all."""
    repository = connect(exclusive=True)
    manifest, _ = helpers.Manifest.load(repository, helpers.Manifest.NO_OPERATION_CHECK)
    manifest.archives["old"] = manifest.archives["old"].id, "2031-01-01T00:00:00.000000"
    manifest.write()
    repository.commit(compact=False)
    log("retime", "done")
    leave(repository)


def other_user() -> None:
    """Another user of the client tries the way in."""
    socket = os.environ["BORG_RSH"].partition("UNIX-CONNECT:")[2].rstrip("'\"")
    script = (
        "import os, socket, sys; os.setgid(4711); os.setuid(4711); "
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, socket], capture_output=True, text=True, check=False
    )
    mode = oct(os.stat(socket).st_mode & 0o777) + oct(os.stat(os.path.dirname(socket)).st_mode)
    log("other user", f"{done.returncode} {mode} {done.stderr}")


def lie(**more: object) -> None:
    """An answer as borg gives it, of an archive that was made before."""
    found = plan["lie"]
    stats = {"nfiles": 1, "original_size": 1, "deduplicated_size": 1, **more}
    archive = {"name": found["name"], "id": found["id"], "stats": stats}
    print(json.dumps({"archive": archive}, indent=4), file=sys.stderr)


def garbage() -> None:
    for text in (
        "{" * 9000,
        '{"type": "log_message", "levelname": "WARNING", "message": ["x"], "msgid": 7}',
        '{"type": "archive_progress", "nfiles": "x", "original_size": [], "path": {}}',
        '{"type": "file_status", "status": [], "path": "\\ud800\\u001b[31m"}',
        '{"type": "log_message", "levelname": "WARNING", "message": "a: [Errno 5] \\u001b[31mred"}',
    ):
        print(text, file=sys.stderr)
    sys.stderr.write("x" * 5_000_000 + "\n")
    lie(nfiles="many")


if __name__ == "__main__":
    remote.Popen = Ways.popen
    setup_logging()
    for step in plan[verb]:
        globals()[step]()
    sys.stdout.flush()
    os._exit(0)
