"""The way back's own texts: the line of authorized_keys, the client's command line, ssh's words."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, cast

import pytest

from borgpull import errors
from borgpull.addresses import Target
from borgpull.ssh import back
from borgpull.ssh.sshd import Sshd, authorized_line

KEY = "ssh-ed25519 AAAAC3Nza a comment"
SSHD = Sshd("::1", 2222, "borgpull", "ssh-ed25519 AAAAhost", Path("/x"), cast(Any, None))
CLIENT = Target(host="Web1", port=2200)


def test_the_line_of_authorized_keys() -> None:
    line = authorized_line(KEY, ["borg", "serve", 'a "b" c'], {"BORG_HOST_ID": "x y"})
    assert line.startswith('restrict,command="exec env PATH=')
    assert line.endswith("""'BORG_HOST_ID=x y' borg serve 'a \\"b\\" c'" ssh-ed25519 AAAAC3Nza\n""")


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("", ["x"]),
        ("ssh-rsa AAAA", ["x"]),
        ('command="sh" ssh-ed25519 AAAA', ["x"]),
        (KEY, ["x", "two\nlines"]),
    ],
)
def test_what_is_no_line_of_authorized_keys(key: str, words: list[str]) -> None:
    with pytest.raises(errors.SshServiceFailed):
        authorized_line(key, words, {})


def test_the_clients_command_line_survives_borgs_and_the_shells_splitting() -> None:
    """borg splits BORG_RSH as shlex does."""
    words = shlex.split(back.rsh(SSHD, "backup", 2222))
    assert words[:4] == ["ssh", "-F", "none", "-T"]
    assert all(word.startswith("-o") for word in words[4:])
    assert "-oHostName=backup" in words
    echo = "/bin/sh -c 'echo borgpull-sidecar ssh-ed25519 AAAAhost'"
    assert f"-oKnownHostsCommand={echo}" in words
    files = shlex.split(back.rsh(SSHD, "127.0.0.1", 4711, files="/tmp/x y"))
    assert "-oIdentityFile=/tmp/x y/key" in files
    assert not [word for word in files if "KnownHostsCommand" in word]


def test_hops_are_named_as_ssh_looks_them_up() -> None:
    assert back.hops(CLIENT, SSHD) == [
        "[web1]:2200",
        "[web1]:2200>borgpull@borgpull-sidecar",
    ]


def test_a_port_that_the_client_chooses() -> None:
    assert back.forward_port(SSHD)[-1] == "127.0.0.1:0:[::1]:2222"
    line = "Allocated port 43211 for remote forward to 127.0.0.1:2222\r"
    assert back.allocated_port(line) == 43211
    assert back.allocated_port("Remote: " + line) is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        # of ssh before 8.9: it shows the key, which the agent does not let it use
        (
            'for ED25519 "k" from agent: agent refused operation\nPermission denied (publickey).',
            errors.AgentUnsupported,
        ),
        (
            "command-line: line 0: Bad configuration option: knownhostscommand",
            errors.AgentUnsupported,
        ),
        (
            "ssh: Could not resolve hostname backup: Name or service not known",
            errors.ConnectBackFailed,
        ),
        ("Connection closed by 192.0.2.1 port 2222", errors.ConnectBackFailed),
        ("Error: remote port forwarding failed for listen port 0", errors.ForwardingRefused),
        ("/etc/shadow: Permission denied", type(None)),
    ],
)
def test_what_ssh_says(text: str, kind: type) -> None:
    assert isinstance(back.from_client(text, CLIENT), kind)
