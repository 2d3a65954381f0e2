"""The engine of `stream` that is begun before its command line is read: whatever ends the command
then, nothing of it stays."""

from __future__ import annotations

import json
from typing import Any

import pytest

from borgpull.errors import InvalidHost
from tests.support.lab import IMAGE, docker

pytestmark = pytest.mark.docker

# In a container of its own, each case: what there was of engines, how the command ended, and what
# was still there five seconds later.
PROGRAM = """
import json, os, signal, subprocess, sys, time

STREAM = ["stream", "--init", "--name", "early", "root@127.0.0.1:1", "/etc"]

def processes():
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().decode().split(chr(0))
        except OSError:
            continue
        if int(pid) not in (1, os.getpid()) and words != [""]:
            found[int(pid)] = words
    return found

def engines():
    return [pid for pid, words in processes().items() if "borgpull.borg.inside.stream" in words]

def commands():
    return sorted(pid for pid, words in processes().items() if "/usr/local/bin/borgpull" in words)

def files():
    return [name for name in os.listdir("/dev/shm")] + os.listdir("/repo")

def case(words, victim=None, signum=0, pause=0.0, stdin=b""):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    child = subprocess.Popen(["borgpull", *words], **pipes)
    child.stdin.write(stdin)
    child.stdin.flush()
    seen = []
    while child.poll() is None and not seen:
        seen = engines()
    if victim and seen:
        time.sleep(pause)
        found = {"keeper": commands()[:1], "command": commands()[-1:], "engine": seen}[victim]
        for pid in found:
            os.kill(pid, signum)
    child.stdin.close()
    text = child.stdout.read().decode()
    code, until = child.wait(), time.monotonic() + 5
    while (left := processes()) and time.monotonic() < until:
        time.sleep(0.01)
    return {"seen": len(seen), "code": code, "left": list(left.values()), "said": text}

job = json.dumps({"version": 3, "verb": "stream"}).encode() + bytes([10])
found = {
    "usual": case(STREAM),
    "words": case(["stream", "--no-such-option", "root@127.0.0.1:1"]),
    "address": case(["stream", "-oProxyCommand=x"]),
    "other": case(["pipe", *STREAM[1:]]),
    "job": case(["job"], stdin=job),
    "no job": case(["job"], stdin=bytes([10])),
}
for victim in ("command", "keeper", "engine"):
    for signum in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT):
        for pause in (0.0, 0.02, 0.06):
            name = f"{victim} {signum.name} {pause}"
            found[name] = case(STREAM, victim, signum, pause)
# Only what a killed command must leave to the next one.
found["after"] = case(STREAM)
found["files"] = {"left": sorted(files())}
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    program = tmp_path_factory.mktemp("early") / "early.py"
    program.write_text(PROGRAM)
    options = ("--rm", "--init", "--network", "none", "-v", f"{program}:/early.py:ro")
    key = "ssh-keygen -q -t ed25519 -N '' -f /run/secrets/ssh_key"
    script = f"echo secret >/run/secrets/passphrase; {key}; exec python3 /early.py"
    return dict(json.loads(docker("run", *options, "--entrypoint", "sh", IMAGE, "-c", script)))


def test_it_is_there_for_stream_alone(found: dict[str, Any]) -> None:
    seen = {name: bool(one["seen"]) for name, one in found.items() if "seen" in one}
    assert not seen.pop("other")
    assert not seen.pop("no job")
    assert all(seen.values()), seen


def test_nothing_of_it_stays(found: dict[str, Any]) -> None:
    assert {
        name: one["left"] for name, one in found.items() if one["left"] and name != "files"
    } == {}
    assert found["files"]["left"] == [".early.lock", "early"]


def test_each_end_has_its_code(found: dict[str, Any]) -> None:
    codes = {name: one["code"] for name, one in found.items() if "code" in one}
    assert codes["usual"] == codes["after"] == 33, found["usual"]
    assert codes["words"] == codes["job"] == codes["no job"] == 2, found["words"]
    assert codes["address"] == InvalidHost.exit_code, found["address"]
    for name, code in codes.items():
        victim, _, signal_ = name.partition(" ")
        if victim == "command":
            number = {"SIGTERM": 15, "SIGKILL": 9, "SIGINT": 2}[signal_.split()[0]]
            # The command may have met the missing client before the signal.
            assert code in (128 + number, 33), found[name]
