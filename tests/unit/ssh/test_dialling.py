"""The TCP connection that is made for ssh, and the connection that is begun ahead."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from borgpull.addresses import Target
from borgpull.errors import BorgpullError
from borgpull.jobs import Access, Backup
from borgpull.places import Places
from borgpull.ssh import ahead, config, dialling
from borgpull.ssh.dialling import dialled
from tests.support.waiting import wait_until


@contextlib.contextmanager
def listening() -> Iterator[tuple[int, list[socket.socket]]]:
    """A port, and the connections that have come. Each one is closed soon, and nobody answers."""
    come: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    come.append(server.accept()[0])
                    time.sleep(0.5)  # whoever takes a connection must find it alive
                    come[-1].close()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1], come
        server.shutdown(socket.SHUT_RDWR)


def job(port: int, tmp_path: Path) -> Backup:
    target = Target(host="127.0.0.1", port=port)
    places = Places(repo=str(tmp_path), state=str(tmp_path))
    return Backup(verb="stream", client="web", places=places, access=Access(target=target))


def test_a_connection_is_for_small_packets_and_waits_without_an_end() -> None:
    with listening() as (port, _), dialled(Target(host="127.0.0.1", port=port)) as link:
        assert link is not None
        assert link.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert link.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert link.gettimeout() is None
    assert link.fileno() == -1


def test_where_nobody_listens_ssh_is_to_say_why() -> None:
    with listening() as (port, _):
        pass
    with dialled(Target(host="127.0.0.1", port=port)) as link:
        assert link is None
    for host in ("no.such.host.invalid", 64 * "a"):
        with dialled(Target(host=host)) as link:
            assert link is None


def test_a_connection_that_comes_too_late_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    late = threading.Event()
    made: list[socket.socket] = []
    really = socket.create_connection

    def slow(*words: Any, **more: Any) -> socket.socket:
        late.wait(10)
        made.append(really(*words, **more))
        return made[0]

    monkeypatch.setattr(socket, "create_connection", slow)
    monkeypatch.setattr(dialling, "SECONDS", 0.1)
    with listening() as (port, _):
        with dialled(Target(host="127.0.0.1", port=port)) as link:
            assert link is None
        late.set()
        wait_until(lambda: bool(made) and made[0].fileno() == -1)


@pytest.mark.parametrize(
    ("word", "ours"),
    [
        ("AddressFamily=inet", False),
        ("BindAddress=127.0.0.1", False),
        ("BindInterface=lo", False),
        ("ConnectionAttempts=2", False),
        ("ConnectTimeout=3", False),
        ("IPQoS=none", False),
        ("TCPKeepAlive=no", False),
        ("Compression=yes", True),
        ("RekeyLimit=1G", True),
    ],
)
def test_whoever_says_how_to_connect_has_ssh_do_it(word: str, ours: bool, tmp_path: Path) -> None:
    places = Places(state=str(tmp_path))
    made = config.write(tmp_path, Target(host="web"), places, ssh_options=(word,))
    assert made.direct == ours


def test_nobody_dials_past_a_jump_host(tmp_path: Path) -> None:
    places = Places(state=str(tmp_path))
    assert config.write(tmp_path, Target(host="web"), places).direct
    assert not config.write(tmp_path, Target(host="web"), places, via=Target(host="jump")).direct


def test_the_connection_that_was_begun_is_the_one_that_is_taken(tmp_path: Path) -> None:
    with listening() as (port, come):
        one = job(port, tmp_path)
        with ahead.ahead(one, tmp_path):
            with pytest.raises(BorgpullError), ahead.to_client(one, tmp_path):
                pass
            assert len(come) == 1
            with pytest.raises(BorgpullError), ahead.to_client(one, tmp_path):
                pass
            assert len(come) == 2  # a new one
        with pytest.raises(BorgpullError), ahead.to_client(one, tmp_path):
            pass
        assert len(come) == 3


def test_a_connection_that_has_died_meanwhile_is_not_taken(tmp_path: Path) -> None:
    """While the job has waited for a lock, say."""
    with listening() as (port, come):
        one = job(port, tmp_path)
        with ahead.ahead(one, tmp_path):
            session = ahead._ahead[tmp_path][0]
            wait_until(lambda: not session.alive())
            with pytest.raises(BorgpullError), ahead.to_client(one, tmp_path):
                pass
            assert len(come) == 2


def test_the_socket_of_an_ssh_that_was_killed_is_no_connection(tmp_path: Path) -> None:
    """By SIGKILL, say: then it stays."""
    with listening() as (port, _):
        (tmp_path / "mux").touch()
        one = job(port, tmp_path)
        with pytest.raises(BorgpullError), ahead.to_client(one, tmp_path):
            pass


def test_what_cannot_begin_is_told_by_whoever_wants_it(tmp_path: Path) -> None:
    one, gone = job(22, tmp_path), tmp_path / "no-such-folder"
    with (
        ahead.ahead(one, gone),
        pytest.raises(OSError, match="No such file"),
        ahead.to_client(one, gone),
    ):
        pass
