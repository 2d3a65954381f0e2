"""`make demo` says what it did and leaves nothing; the quick start works."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.documents import README, Block, blocks, section
from tests.support.lab import IMAGE, ROOT, Lab, docker

pytestmark = pytest.mark.docker
DEMO = [sys.executable, str(ROOT / "scripts" / "demo.py")]


def assert_nothing_is_left(pid: int) -> None:
    """The demo's names end in its process id: another one may be under way."""
    name = f"borgpull-demo-{pid}"
    assert not docker("ps", "-aq", "--filter", f"name={name}").strip()
    assert not docker("network", "ls", "-q", "--filter", f"name={name}").strip()


def test_the_demo(tmp_path: Path) -> None:
    env = {**os.environ, "TMPDIR": str(tmp_path), "DEMO_MANY": "100"}
    with subprocess.Popen(
        DEMO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env
    ) as demo:
        output = demo.communicate(timeout=280)[0]
    assert demo.returncode == 0, output
    for text in (
        "0 bytes read again",
        "alice",
        "not carried: times",
        "byte for byte",
        "PASS: ",
        "DIFFERS: ",
    ):
        assert text in output
    assert_nothing_is_left(demo.pid)
    assert not list(tmp_path.iterdir())


def test_the_demo_cleans_up_when_it_is_stopped(tmp_path: Path) -> None:
    """SIGTERM in the midst of the first backup."""
    env = {**os.environ, "TMPDIR": str(tmp_path), "DEMO_MANY": "500", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        DEMO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env
    ) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "saving /srv/data" in line:
                break
        demo.send_signal(signal.SIGTERM)
        rest = demo.communicate(timeout=120)[0]
    assert demo.returncode == 128 + signal.SIGTERM, rest
    assert_nothing_is_left(demo.pid)
    assert not list(tmp_path.iterdir())


def test_the_first_five_minutes(lab: Lab, tmp_path: Path) -> None:
    """The quick start, line by line, from the key to the restored file; then the one for sshfs.

    Each prints what the README shows, but for times, sizes and counts.
    """
    client = lab.client("borgpull-borg12-client", MANY="5", trust=False)  # it has a Python
    steps = first_steps()
    folder = tmp_path / "work"
    folder.mkdir()
    try:
        done = subprocess.run(
            ["bash", "-c", as_typed(steps, lab, client.name)],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert_shown(steps, done.stdout, client.name)
        assert done.stdout.count(f"archive {client.name}-") == 2  # by stream, by sshfs
        hosts = client.exec("cat", "/etc/hosts")
        assert hosts in done.stdout
        assert client.exec("cat", "/restored/etc/hosts") == hosts
        assert "BORG_KEY" in (folder / "web1.borgkey").read_text()
    finally:
        shutil.rmtree(folder)


def first_steps() -> list[Block]:
    """What the README has up to a restored file, and what docs/methods.md has for sshfs."""
    readme, methods = README.read_text(), (ROOT / "docs" / "methods.md").read_text()
    headings = ("## Quick start", "## Get a file back")
    steps = [block for heading in headings for block in blocks(section(readme, heading))]
    return [*steps, blocks(section(methods, "## sshfs"))[0]]


def as_typed(steps: list[Block], lab: Lab, client: str) -> str:
    """The typed blocks as a script, each after a line with its number, for this laboratory."""
    typed = [f"echo @@{at}\n{step.text}" for at, step in enumerate(steps) if step.kind == "sh"]
    script = "set -e\n" + "\n".join(typed) + "\n"
    print_ = docker("exec", client, "ssh-keygen", "-lf", "/run/sshd-keys/ssh_host_ed25519_key.pub")
    keys = "/etc/ssh/authorized_keys/root"
    allow = f"sed 's/^/restrict /' ssh_key.pub | docker exec -i {client} sh -c 'cat > {keys}'"
    for pattern, replacement in (
        (r"^make (demo|test|image)\b.*$", ""),
        (r"^restrict ssh-ed25519 .*$", allow),
        (r"SHA256:…", print_.split()[1]),
        (r"\bdocker run --rm", f"docker run --rm --network {lab.network} --label {lab.label}"),
        (r"::ARCHIVE", f"::$(bp list {client} | cut -d ' ' -f 1)"),
        (r"\bweb1(?!\.borgkey)", client),
        (r"\bborgpull(?= (?:render|sshfs) | \"\$@\")", IMAGE),
    ):
        script, count = re.subn(pattern, replacement, script, flags=re.MULTILINE)
        assert count, f"not in the steps: {pattern}"
    return script


def assert_shown(steps: list[Block], output: str, client: str) -> None:
    """What each typed block printed is what the document shows after it."""
    printed = dict(re.findall(r"(?ms)^@@(\d+)\n(.*?)(?=^@@|\Z)", output))
    shown = [at for at, step in enumerate(steps) if step.kind == "text"]
    assert len(shown) == 3  # the host key, the first backup, the restored file
    for at in shown:
        real = re.sub(rf"\b{re.escape(client)}\b", "web1", printed[str(at - 1)])
        assert masked(real) == masked(steps[at].text), output


def masked(text: str) -> list[str]:
    """Lines without what is another in each run, and without how far a run is at some moment.

    Items come by kind in the order in which the run met them.
    """
    for pattern, word in (
        (r"SHA256:[\w+/]+", "FINGERPRINT"),
        (r"\d{4}-\d\d-\d\dT[\d:]+(Z|[+-]\d\d:\d\d)", "TIME"),
        (r"\b\d+(\.\d+)? ([kMGT]?B)\b", "SIZE"),
        (r"\b\d+\.\d s\b", "SECONDS"),
        (r"\b\d+\b", "N"),
        (r" +", " "),
    ):
        text = re.sub(pattern, word, text)
    text = re.sub(r"N \w+(, N \w+)+(?=; SIZE of content)", sorted_kinds, text)
    return [
        line for line in text.splitlines() if not re.match(r"N (files|items), SIZE.*, at ", line)
    ]


def sorted_kinds(found: re.Match[str]) -> str:
    return ", ".join(sorted(found[0].split(", ")))
