"""Serving a repository to a borg that a user starts on the client: by hand, and by systemd."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.lab import IMAGE, PLAIN, Client, Lab, Run, docker
from tests.support.started import ends_with_the_test
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
OWNER = 1000  # of the laboratory: the sidecars are not root
KEEP = True  # our programs on the client: what is left there is not looked at here

# Where the client has the programs of our runtime, as if it had installed them.
PROGRAMS = "/usr/local/lib/borg"
RUNTIME = "/usr/local/share/borgpull/runtime.tar.gz"
SIGTERM = 15


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    """A client with borg and socat, and with an archive."""
    client = lab.client(MANY="20")
    unpack = ["docker", "exec", "-i", client.name, "tar", "-xzf", "-", "-C", PROGRAMS]
    client.exec("mkdir", PROGRAMS)
    cat = ["docker", "run", "--rm", "--entrypoint", "cat", IMAGE, RUNTIME]
    with subprocess.Popen(cat, stdout=subprocess.PIPE) as runtime:
        subprocess.run(unpack, stdin=runtime.stdout, check=True, timeout=60)
    lab.pull("pipe", client, "/etc/ssh")
    return client


@contextmanager
def serving(lab: Lab, client: Client) -> Iterator[Run]:
    words = ("socat", "--serve-only", client.address)
    run = lab.start_sidecar(*words, rung="none", options=PLAIN)
    try:
        wait_until(lambda: "there: borg create" in run.output() or run.poll() is not None)
        yield run
    finally:
        run.kill()


def stopped(lab: Lab, client: Client, run: Run) -> int:
    """The exit code after SIGTERM; nothing of the run is left."""
    run.send_signal(SIGTERM)
    code = run.wait(60)
    own = lab.state / "clients" / client.name
    assert not [*own.glob("*.sock"), *own.glob("config-guard.json")]
    assert not [*(lab.repo / client.name).glob("lock.exclusive/*")]
    return code


def typed(lab: Lab, client: Client, run: Run, words: str = "") -> subprocess.Popen[str]:
    """The lines of the notes, as a user types them on the server and then on the client.

    `words` stand for those of borg, with URL for the repository's.
    """
    here, rsh, create = re.findall(r"^note: (?:here|there): (.*)$", run.output(), re.MULTILINE)
    known = f"-i {lab.key} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
    here = here.replace("ssh ", f"ssh -F none {known} ", 1)
    here = here.replace("/state/", f"{lab.state}/").replace(f"@{client.name}", f"@{client.ip()}")
    borg, _, remove = create.partition("; ")
    if words:
        url = borg.split()[2].removesuffix("::NAME")
        borg = f"borg {words.replace('URL', url)}"
    lines = [f"PATH={PROGRAMS}:$PATH", f"export BORG_PASSPHRASE='{lab.passphrase}'", rsh]
    lines += [borg.replace("NAME PATH…", "by-hand /srv/data"), "code=$?", remove, "exit $code"]
    pipe = subprocess.PIPE
    shell = ends_with_the_test(
        subprocess.Popen(here.split(), stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    )
    assert shell.stdin is not None
    shell.stdin.write("\n".join(lines) + "\n")
    shell.stdin.close()
    shell.stdin = None  # for communicate
    return shell


def finished(shell: subprocess.Popen[str]) -> str:
    out, err = shell.communicate(timeout=120)
    assert shell.returncode == 0, err
    return out


def test_a_borg_that_is_started_by_hand(lab: Lab, client: Client) -> None:
    """The notes are what to type; the repository is locked for our own runs, and is good after."""
    with serving(lab, client) as run:
        finished(typed(lab, client, run))
        assert "by-hand" in finished(typed(lab, client, run, "list --short URL"))
        busy = lab.plain("pipe", "--lock-wait", "0", client.address, "/etc/ssh")
        assert busy.rc == 43, busy.stderr
        assert stopped(lab, client, run) == 128 + SIGTERM
    assert "srv/data/files/plain.txt" in lab.borg(client.name, "list", "--short", "::by-hand")
    lab.pull("pipe", client, "/etc/ssh")


def test_ended_under_a_borg_that_writes(lab: Lab, client: Client) -> None:
    with serving(lab, client) as run:
        content = "sh -c 'touch /run/begun; until [ -e /run/ended ]; do sleep 0.1; done'"
        shell = typed(lab, client, run, f"create URL::half --content-from-command -- {content}")
        wait_until(lambda: "begun" in client.exec("ls", "/run"))
        assert [*(lab.repo / client.name / "lock.exclusive").glob("*")]
        assert stopped(lab, client, run) == 128 + SIGTERM
        client.exec("touch", "/run/ended")  # borg does not look at its connection before
        _, err = shell.communicate(timeout=30)
        assert shell.returncode != 0, err
    assert "half" not in lab.borg(client.name, "list", "--short")
    lab.pull("pipe", client, "/etc/ssh")


def test_a_changed_key_is_put_back(lab: Lab, client: Client) -> None:
    """As for every session of a client: 66, and the repository opens as before."""
    with serving(lab, client) as run:
        change = "key change-passphrase URL"
        shell = typed(lab, client, run, f"--version; BORG_NEW_PASSPHRASE=theirs borg {change}")
        finished(shell)
        assert stopped(lab, client, run) == 66, run.output()
    lab.pull("pipe", client, "/etc/ssh")


def test_there_must_be_a_repository(lab: Lab, client: Client) -> None:
    done = lab.plain("socat", "--serve-only", "--name", "none", client.address)
    assert done.rc == 42, done.stderr


# --- systemd --------------------------------------------------------------------------------------


def units(folder: Path, *words: str) -> list[Path]:
    """What `render socket` prints, as the files that it names."""
    text = docker("run", "--rm", IMAGE, "render", "socket", "--image", IMAGE, *words)
    found = []
    for part in re.split(r"^# /etc/systemd/system/", text, flags=re.MULTILINE)[1:]:
        name, _, content = part.partition("\n")
        found.append(folder / name)
        found[-1].write_text(content)
    assert [path.suffix for path in found] == [".socket", ".service"]
    return found


def exec_start(service: Path) -> list[str]:
    match = re.search(r"^ExecStart=(.*)$", service.read_text(), re.MULTILINE)
    assert match
    return shlex.split(match[1].replace("%%", "%"))


@pytest.mark.parametrize("borg", [[], ["--borg", "/usr/bin/true"]], ids=["docker", "borg"])
def test_the_units_are_good(tmp_path: Path, borg: list[str]) -> None:
    paths = units(tmp_path, "web1", "--repo", "/srv/50% of it/repo", *borg)
    argv = ["systemd-analyze", "verify", *map(str, paths)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "/srv/50% of it/repo" in " ".join(exec_start(paths[1]))


def test_the_units_serve(tmp_path: Path) -> None:
    """Their command, as systemd starts it for each connection: the client may add, and not free."""
    with Lab(tmp_path / "lab") as lab:
        service = units(tmp_path, "web1", "--repo", str(lab.repo))[1]
        words = ("init", "web1", "--encryption", "repokey")
        assert lab.sidecar(*words, rung="none").rc == 0
        socket = lab.folder / "web1.sock"
        argv = ["systemd-socket-activate", "--accept", "--inetd", "-l", str(socket)]
        if "DOCKER_HOST" in os.environ:  # it hands nothing on by itself
            argv += ["--setenv", "DOCKER_HOST"]
        with subprocess.Popen([*argv, *exec_start(service)], stderr=subprocess.DEVNULL) as systemd:
            try:
                wait_until(socket.exists)
                script = "borg create $U::a /etc/ssh && borg list --json $U && borg delete $U::a"
                rsh = "sh -c 'exec socat STDIO UNIX-CONNECT:/sock'"
                env = [f"BORG_RSH={rsh}", f"BORG_PASSPHRASE={lab.passphrase}"]
                env += ["U=ssh://x/repo/web1"]
                options = [word for item in env for word in ("-e", item)]
                options += ["-v", f"{socket}:/sock", "--entrypoint", "sh"]
                out = docker("run", "--rm", "--label", lab.label, *options, IMAGE, "-c", script)
                assert [item["name"] for item in json.loads(out)["archives"]] == ["a"]
            finally:
                systemd.terminate()
        assert lab.borg("web1", "list", "--short") == ""
        assert [*(lab.repo / "web1").glob("transactions")]  # which append-only writes
