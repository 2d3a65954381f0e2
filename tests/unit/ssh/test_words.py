"""What ssh and the client say of a login: one error of ours, with the client's own words in it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from borgpull import errors
from borgpull.addresses import Target
from borgpull.client.sudo import no_answer
from borgpull.process import Completed
from borgpull.ssh import words
from borgpull.ssh.diagnose import from_ssh
from borgpull.ssh.session import Session

WEB1, GATE = Target(host="web1"), Target(host="gate", user="jump")
ALICE = Target(host="web1", user="alice")
IN = 'Authenticated to web1 ([192.0.2.7]:22) using "publickey".\n'
AT_GATE = 'Authenticated to gate ([192.0.2.1]:22) using "publickey".\n'
THROUGH = 'Authenticated to web1 (via proxy) using "publickey".\n'
UNKNOWN_END = "Connection closed by UNKNOWN port 65535\n"


def denied(left: str, user: str = "root", host: str = "web1") -> str:
    return f"{user}@{host}: Permission denied ({left}).\n"


def told(text: str, target: Target = WEB1, via: Target | None = None) -> tuple[type, str, str]:
    error = from_ssh(text, target, via=via)
    return type(error), error.message, error.hint


# --- D18: who refused, and why --------------------------------------------------------------------


@pytest.mark.parametrize("first", ['Authenticated using "publickey" with partial success.\n', ""])
def test_a_second_factor_is_no_refused_key(first: str) -> None:
    kind, message, hint = told(first + denied("keyboard-interactive"))
    assert kind is errors.KeyRefused
    assert "accepts our ssh key" in message
    assert "Match User root" in hint


def test_a_second_factor_by_password() -> None:
    text = "Authenticated with partial success.\n" + denied("password", "alice")
    assert "accepts our ssh key" in told(text, ALICE)[1]


def test_a_server_that_takes_no_keys() -> None:
    _, message, hint = told(denied("password,keyboard-interactive"))
    assert "lets nobody in by a key" in message
    assert "PubkeyAuthentication" in hint


def test_root_may_be_refused_as_such() -> None:
    kind, _, hint = told(denied("publickey,password"))
    assert (kind, "PermitRootLogin" in hint, "--sudo" in hint) == (errors.KeyRefused, True, True)
    assert "PermitRootLogin" not in told(denied("publickey", "alice"), ALICE)[2]


def test_a_banner_is_in_the_message() -> None:
    text = "Your account has expired; please contact your system administrator.\n"
    text += "Connection closed by 192.0.2.7 port 22\n"
    assert "Your account has expired" in told(text)[1]
    assert "chage -M -1 -E -1 root" in told(text)[2]
    assert "System is booting" in told("System is booting up.\n" + denied("publickey"))[1]


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (
            denied("publickey", "jump", "gate") + UNKNOWN_END,
            errors.KeyRefused,
            "jump host jump@gate",
        ),
        (
            "No ED25519 host key is known for gate and you have requested strict checking.\n"
            "Host key verification failed.\n" + UNKNOWN_END,
            errors.UnknownHostKey,
            "jump host jump@gate",
        ),
        (
            "ssh: Could not resolve hostname gate: Name or service not known\n"
            "kex_exchange_identification: Connection closed by remote host\n" + UNKNOWN_END,
            errors.HostUnreachable,
            "jump host jump@gate: Could not resolve",
        ),
        (AT_GATE + denied("publickey"), errors.KeyRefused, "root@web1 refuses"),
        (
            AT_GATE + "No ED25519 host key is known for web1\nHost key verification failed.\n",
            errors.UnknownHostKey,
            "of root@web1 is not known",
        ),
        (
            AT_GATE + "channel 0: open failed: connect failed: Connection refused\n"
            "stdio forwarding failed\n" + UNKNOWN_END,
            errors.HostUnreachable,
            "the jump host jump@gate cannot reach root@web1: Connection refused",
        ),
        (
            AT_GATE + "channel 0: open failed: administratively prohibited: open failed\n"
            "stdio forwarding failed\n" + UNKNOWN_END,
            errors.ForwardingRefused,
            "jump@gate does not let us through to root@web1",
        ),
        (AT_GATE + THROUGH + "Connection to web1 closed.\n", errors.ConnectionLost, "root@web1"),
    ],
)
def test_whose_refusal_it_is(text: str, kind: type, words: str) -> None:
    found, message, hint = told(text, via=GATE)
    assert (found, words in message) == (kind, True), message
    if kind is errors.UnknownHostKey:
        wanted = "trust --via jump@gate root@web1" if "web1" in words else "trust jump@gate"
        assert wanted in hint


def test_name_and_port_are_not_doubted_where_a_login_was_accepted() -> None:
    for text in ("Connection closed by remote host\n", "Connection closed\n", ""):
        kind, _, hint = told(IN + text)
        assert kind is errors.ConnectionLost
        assert "the name and the port" not in hint
    assert "the name and the port" in told("Connection closed by 192.0.2.7 port 22\n")[2]


def test_what_a_session_says_is_no_reason_of_a_login() -> None:
    """A program there may say what ssh says."""
    kind, message, _ = told(IN + "root@db: Permission denied (publickey).\ngoodbye\n")
    assert (kind, "goodbye" in message) == (errors.ConnectionLost, True)


def test_a_name_that_is_not_known() -> None:
    hint = told("ssh: Could not resolve hostname web1: Name or service not known\n")[2]
    assert "~/.ssh/config" in hint
    assert "/etc/hosts" in hint


@pytest.mark.parametrize(
    ("what", "offer", "option"),
    [
        ("key exchange method", "diffie-hellman-group1-sha1,x", "KexAlgorithms=+diffie"),
        ("host key type", "ssh-rsa,ssh-dss", "HostKeyAlgorithms=+ssh-rsa"),
        ("cipher", "aes128-cbc", "Ciphers=+aes128-cbc"),
        ("MAC", "hmac-md5", "MACs=+hmac-md5"),
    ],
)
def test_an_old_device(what: str, offer: str, option: str) -> None:
    text = f"Unable to negotiate with 192.0.2.7 port 22: no matching {what} found. "
    kind, _, hint = told(f"{text}Their offer: {offer}\n")
    assert (kind, f"--ssh-option {option}" in hint) == (errors.NothingInCommon, True)
    kind, message, hint = told(f"{text}Their offer: {offer}\n", via=GATE)
    assert (kind, "jump@gate" in message) == (errors.NothingInCommon, True)
    assert "newer sshd" in hint


def test_other_reasons_of_old_devices() -> None:
    assert "RequiredRSASize" in told("Bad server host key: Invalid key length\n")[2]
    text = "sign_and_send_pubkey: no mutual signature supported\n" + denied("publickey")
    assert "PubkeyAcceptedAlgorithms" in told(text)[2]


# --- D18: the client's own words ------------------------------------------------------------------

CLOUD = 'Please login as the user "ubuntu" rather than the user "root".'
EXPIRED = "WARNING: Your password has expired.\nPassword change required but no TTY available.\n"
NOLOGIN = "This account is currently not available.\n"


def refused(
    stdout: str = "", stderr: str = "", *, sudo: bool = False, shell: bool = True
) -> errors.BorgpullError:
    echo = Completed(0, b"borgpull-shell\n" if shell else NOLOGIN.encode(), "")
    session: Any = SimpleNamespace(
        config=SimpleNamespace(target=ALICE), run=lambda *words, **more: echo
    )
    done = Completed(1, stdout.encode(), stderr)
    return no_answer(cast("Session", session), done, sudo=sudo)


@pytest.mark.parametrize(
    ("stdout", "stderr", "words", "advice"),
    [
        (f"{CLOUD}\n\n", "", CLOUD, "log in as ubuntu@web1"),
        ("", EXPIRED, "Your password has expired", "passwd alice"),
        (NOLOGIN, "", NOLOGIN.strip(), "--shell /bin/sh alice"),
        ("This service allows sftp connections only.\n", "", "sftp connections only", "sshfs"),
    ],
)
def test_what_turns_a_login_away(stdout: str, stderr: str, words: str, advice: str) -> None:
    for sudo in (False, True):  # sudo is not to blame
        error = refused(stdout, stderr, sudo=sudo, shell=False)
        assert type(error) is errors.ClientUnsuitable
        assert words in error.message
        assert advice in error.hint


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("sudo: a password is required", "alice ALL=(root) NOPASSWD"),
        ("sudo: sorry, you must have a tty to run sudo", "!requiretty"),
        ("sh: 1: sudo: not found", "install sudo"),
        ("bash: line 1: sudo: command not found", "install sudo"),
        ("Sorry, user alice is not allowed to execute '/bin/sh' as root on web1.", "NOPASSWD"),
    ],
)
def test_the_last_line_of_sudo_is_shown(said: str, hint: str) -> None:
    error = refused(stderr=f"a lecture\n{said}\n", sudo=True)
    assert type(error) is errors.SudoRefused
    assert error.message == f"sudo on web1 refuses alice: {said}"
    assert hint in error.hint


def test_words_are_one_short_line_without_what_ssh_says() -> None:
    text = IN + "Warning: Permanently added 'x' to the list.\nhello\n\x1b[2J  you\nssh: x\n"
    assert words.said(text) == "hello [2J you"
    assert len(words.said("a b " * 10_000)) < 320
    assert words.said(denied("publickey")) == words.said(IN) == ""
