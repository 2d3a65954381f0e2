"""The way back to the sidecar: what its sshd and its agent allow, and what they refuse.

One run of tests/support/probe_back.py in a sidecar without any privilege tries it all; the tests
read its answers.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from borgpull.addresses import Target
from borgpull.errors import AgentUnsupported, ConnectBackFailed, ForwardingRefused, SshServiceFailed
from borgpull.ssh.back import allocated_port, from_client
from tests.docker.test_image import RESTRICTED
from tests.support.lab import IMAGE, ROOT, Lab
from tests.support.probe_back import NASTY

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

CLIENT = Target(host="client")
PROBE = ["-v", f"{ROOT / 'tests/support/probe_back.py'}:/probe.py:ro", "--entrypoint", "python3"]


@dataclass(frozen=True)
class Answer:
    rc: int
    out: str
    err: str

    @property
    def forced(self) -> bool:
        """The forced command has run, in whatever session was asked for."""
        return self.rc == 0 and self.out.startswith("forced\n")

    @property
    def refused(self) -> bool:
        return self.rc != 0 and "forced" not in self.out and "in\n" not in self.out


class Answers(dict[str, dict[str, Any]]):
    def of(self, name: str) -> Answer:
        return Answer(**self[name])


def probe(*options: str, args: tuple[str, ...] = ()) -> Answers:
    argv = ["docker", "run", "--rm", "--init", *options, *PROBE, IMAGE, "/probe.py", *args]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return Answers(json.loads(done.stdout))


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answers]:
    with Lab(tmp_path_factory.mktemp("sshd") / "lab") as lab:
        strict = "AllowTcpForwarding no\\nAllowAgentForwarding no"
        clients = [
            lab.client(SEED="0"),
            lab.client(SEED="0"),
            lab.client(SEED="0", SSHD_EXTRA=strict),
            lab.client("borgpull-busybox-client", SEED="0"),
        ]
        secrets = lab.folder / "probe"
        secrets.mkdir()
        # Readable by user 1000 of the container; the folder above is not for others.
        for source in (lab.key, lab.state / "known_hosts"):
            shutil.copyfile(source, secrets / source.name)
            (secrets / source.name).chmod(0o644)
        name = f"back-{lab.id}"
        options = ["--name", name, "--network", lab.network, "--label", lab.label, *RESTRICTED]
        hosts = tuple(client.name for client in clients)
        yield probe(*options, "-v", f"{secrets}:/probe:ro", args=(*hosts, name))


# --- what the key gets ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["plain", "command", "setenv", "agent"])
def test_every_session_is_the_forced_command(answers: Answers, name: str) -> None:
    answer = answers.of(name)
    assert answer.forced, answer
    assert "mine" not in answer.out.replace("SSH_ORIGINAL_COMMAND=id; echo mine", "")
    assert "TTY" not in answer.out
    assert "SSH_AUTH_SOCK" not in answer.out


def test_its_words_and_environment_arrive_as_given(answers: Answers) -> None:
    out = answers.of("plain").out.splitlines()
    assert out[1].startswith("".join(f"[{word}]" for word in NASTY))
    assert "BORG_HOST_ID=borgpull-probe" in out


def test_nothing_but_the_command_is_written_to_the_client(answers: Answers) -> None:
    """borg takes each line that is not its own for a warning."""
    assert answers.of("plain").err == ""
    lines = answers.of("borg-list").err.splitlines()
    assert not [line for line in lines if "Remote" in line], lines


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pty", "PTY allocation request failed"),
        ("sftp", "subsystem request failed"),
        ("W", "administratively prohibited"),
        ("R", "remote port forwarding failed"),
        ("R-unix", "remote port forwarding failed"),
        ("tunnel", "Tunnel"),
        ("root", "Permission denied (publickey)"),
        ("password", "Permission denied (publickey)"),
    ],
)
def test_everything_else_is_refused(answers: Answers, name: str, words: str) -> None:
    answer = answers.of(name)
    assert answer.refused, answer
    assert words in answer.err, answer


def test_no_local_forwarding_gets_through(answers: Answers) -> None:
    """-L to a port, to a unix socket, -D: ssh listens, and sshd opens nothing."""
    answer = answers.of("L")
    assert "SSH-" not in answer.out
    assert answer.err.count("open failed: ") == 3, answer


# --- what the agent signs -------------------------------------------------------------------------


def test_the_second_hop_needs_its_rule(answers: Answers) -> None:
    assert "no identities" in answers.of("one-hop-list").out
    assert answers.of("one-hop-login").refused
    assert answers.of("list").out.startswith("ssh-ed25519 ")


def test_another_destination_is_refused(answers: Answers) -> None:
    """Though it would let the key in."""
    assert answers.of("stranger-control").out == "in\n"
    assert answers.of("stranger").refused
    assert "Permission denied (publickey)" in answers.of("stranger").err


@pytest.mark.parametrize(
    "name",
    [
        "origin",
        "other-client",
        "no-agent-forwarding",
        "expired",
        "other-key",
        "agent-gone",
        "sign",
        "library",
    ],
)
def test_the_key_has_one_way_and_one_life(answers: Answers, name: str) -> None:
    assert answers.of(name).refused, answers[name]


def test_an_expired_key_is_not_shown(answers: Answers) -> None:
    assert "no identities" in answers.of("expired-list").out


# --- through a port of the client's ---------------------------------------------------------------


def test_through_a_forwarded_port(answers: Answers) -> None:
    """With a key's file on the client; ssh tells the port before the command says anything."""
    answer = answers.of("port")
    first, second, third, *_ = answer.out.splitlines()
    assert allocated_port(first)
    assert (second, third) == ("started", "forced")
    assert answer.rc == 0


def test_dropbear_forwards_a_port_too(answers: Answers) -> None:
    lines = answers.of("dropbear-port").out.splitlines()
    assert allocated_port(lines[0])
    assert lines[-1].startswith("SSH-2.0-OpenSSH")


# --- borg, through the client and back ------------------------------------------------------------


def test_borg_writes_to_its_repository(answers: Answers) -> None:
    assert answers.of("borg-create").rc == 0, answers["borg-create"]
    assert answers.of("borg-list").out == "one\n"


@pytest.mark.parametrize("name", ["borg-other", "borg-above"])
def test_borg_serve_refuses_other_repositories(answers: Answers, name: str) -> None:
    assert answers.of(name).rc == 83  # PathNotAllowed
    assert "Repository path not allowed" in answers.of(name).err


def test_borg_serve_frees_its_lock_when_it_is_ended(answers: Answers) -> None:
    assert answers["borg-locks"] == {"during": ["lock.exclusive"], "after": []}


# --- why it failed --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("unreachable", ConnectBackFailed),
        ("impostor", ConnectBackFailed),
        ("no-agent-forwarding", ForwardingRefused),
        ("no-port-forwarding", ForwardingRefused),
        ("sign", AgentUnsupported),
        ("plain", type(None)),
    ],
)
def test_what_ssh_says_is_one_error_of_ours(answers: Answers, name: str, kind: type) -> None:
    assert isinstance(from_client(answers.of(name).err, CLIENT), kind)


# --- the end --------------------------------------------------------------------------------------


def test_sessions_end_with_it(answers: Answers) -> None:
    end = answers["leave"]
    assert {"sshd", "sshd-session", "sleep"} <= set(end["during"])
    assert end["seconds"] < 10
    assert not end["after"]
    assert "Connection refused" in answers.of("gone").err
    assert answers["folders"] == {"left": []}


ROOT_CAPABILITIES = [f"--cap-add={name}" for name in ("SYS_CHROOT", "SETUID", "SETGID")]


def test_as_root_and_by_ipv6() -> None:
    options = [*RESTRICTED[:-2], "--sysctl", "net.ipv6.conf.lo.disable_ipv6=0"]
    end = probe(*options, *ROOT_CAPABILITIES, args=("::1",))["leave"]
    assert {"sshd", "sshd-session", "sleep"} <= set(end["during"])
    assert not end["after"]


@pytest.mark.parametrize(
    ("options", "address", "words"),
    [
        (RESTRICTED[:-2], "127.0.0.1", "capabilities SETGID, SETUID, SYS_CHROOT"),
        (RESTRICTED, "192.0.2.1", "cannot listen"),
    ],
)
def test_it_says_why_it_cannot_start(options: list[str], address: str, words: str) -> None:
    error = probe(*options, args=(address,))["error"]
    assert error["code"] == SshServiceFailed.exit_code
    assert words in error["text"]


def test_the_probe_is_what_runs_here() -> None:
    """The image has the package that these tests import."""
    argv = ["docker", "run", "--rm", "--entrypoint", "cat", IMAGE]
    folder = "/usr/local/lib/python3.13/dist-packages/borgpull/ssh"
    done = subprocess.run([*argv, f"{folder}/back.py"], capture_output=True, check=True)
    assert done.stdout == Path(ROOT, "borgpull/ssh/back.py").read_bytes()
