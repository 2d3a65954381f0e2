"""Runs in a sidecar: everything that a client may try on its way back. Prints a JSON object.

Arguments: the client, the stranger, the strict client (its sshd forwards nothing), the dropbear
one, and how the clients reach us; or only an address to listen on. tests/docker/test_sshd.py runs
it, and judges the answers.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE
from typing import Any

from borgpull.addresses import Target
from borgpull.errors import BorgpullError
from borgpull.places import Places
from borgpull.process import CommandError, run, running
from borgpull.ssh import agent as ssh_agent
from borgpull.ssh import back, config
from borgpull.ssh.keys import KeyPair, keypair
from borgpull.ssh.sshd import ALIAS, Sshd, serving

PLACES = Places(ssh_key="/probe/ssh_key", known_hosts="/probe/known_hosts")
KNOWN = [Path(PLACES.known_hosts)]
NASTY = ["", "two  words", 'a"b', "it's", "\\", '\\"', "$HOME `id` $(id)", "é", "#", "a,b=c"]
# What the key gets, whatever it asks for.
SCRIPT = (
    "printf 'forced\\n'; printf '[%s]' \"$@\"; echo; env; [ ! -t 0 ] || echo TTY; "
    '[ "$SSH_ORIGINAL_COMMAND" != wait ] || exec sleep 600'
)
COMMAND = ["sh", "-c", SCRIPT, "sh", *NASTY]
results: dict[str, dict[str, Any]] = {}


def note(name: str, argv: Sequence[str], timeout: float = 30, **more: Any) -> None:
    try:
        done = run(argv, timeout=timeout, check=False, **more)
        rc, out, err = done.returncode, done.stdout.decode(errors="replace"), done.stderr
    except CommandError as error:
        rc, out, err = error.returncode, "", str(error)
    results[name] = {"rc": rc, "out": out, "err": err}


def folder(stack: ExitStack) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm")))


def processes() -> list[str]:
    """What still runs, of the programs that this is about."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, rest = re.match(r"\d+ \((.*)\) (\S)", path.read_text()).groups()  # type: ignore[union-attr]
            if rest != "Z" and re.match("ssh|sleep|borg$", name):
                found.append(name)
    return found


class Way:
    """To a client and back."""

    def __init__(self, stack: ExitStack, host: str) -> None:
        self.target = Target.parse(f"root@{host}")
        self.config = config.write(folder(stack), self.target, PLACES)

    @contextlib.contextmanager
    def agent(
        self, key: KeyPair, sshd: Sshd, hops: Sequence[str], *, seconds: int = 600
    ) -> Iterator[list[str]]:
        """The options that forward a fresh agent with the key."""
        with ExitStack() as stack:
            agent = stack.enter_context(ssh_agent.agent(folder(stack)))
            known = [*KNOWN, sshd.known_hosts, Path("/nonexistent")]
            ssh_agent.add(agent, key, lifetime_seconds=seconds, hops=hops, known_hosts=known)
            yield back.forward_agent(agent, self.config)

    def argv(self, options: Sequence[str], words: str) -> list[str]:
        return self.config.command(words, options=options)


def tries(way: Way, options: list[str], sshd: Sshd, me: str) -> None:
    """Through the key that may run one command."""
    rsh = back.rsh(sshd, me, sshd.port)

    def mine(*more: str) -> str:
        """What the client's owner would rather have: ssh takes the first value that it meets."""
        return rsh.replace(" -T ", f" -T {' '.join(more)} ", 1)

    free = mine("-oClearAllForwardings=no", "-oExitOnForwardFailure=yes")
    socket = options[1].partition("=")[2]
    socks = f"\\5\\1\\0\\5\\1\\0\\1\\177\\0\\0\\1\\{sshd.port >> 8:o}\\{sshd.port & 255:o}"
    for name, words in {
        "plain": f"{rsh} {ALIAS}",
        "command": f"{rsh} {ALIAS} 'id; echo mine'",
        "setenv": f"{mine('-oSetEnv=BORG_HOST_ID=mine')} {ALIAS}",
        "agent": f"{mine('-oForwardAgent=yes')} {ALIAS}",
        "pty": f"{rsh} -tt {ALIAS}",
        "sftp": f"{rsh} -s {ALIAS} sftp",
        "W": f"{free} -W 127.0.0.1:{sshd.port} {ALIAS}",
        "R": f"{free} -N -R 127.0.0.1:0:127.0.0.1:22 {ALIAS}",
        "R-unix": f"{free} -N -R /tmp/forbidden.sock:127.0.0.1:22 {ALIAS}",
        "L": f"{free} -4 -N -L 7001:127.0.0.1:{sshd.port} -L 7002:{socket} -D 7003 {ALIAS} & "
        # 7003, LISTEN: the last of them
        "while kill -0 $! && ! grep -q ':1B5B .* 0A ' /proc/net/tcp; do sleep 0.1; done; "
        "for port in 7001 7002; do timeout 3 bash -c "
        "'head -c4 </dev/tcp/127.0.0.1/'$port; done; "
        f'timeout 3 bash -c \'exec 3<>/dev/tcp/127.0.0.1/7003; printf "{socks}" >&3; '
        "tail -c +13 <&3 | head -c4'; kill $!",
        "tunnel": f"{free} -N -w 0:0 {ALIAS}",
        "root": f"{mine('-oUser=root')} {ALIAS}",
        "password": mine(
            "-oPubkeyAuthentication=no",
            "-oBatchMode=no",
            "-oPreferredAuthentications=password,keyboard-interactive",
        )
        + f" {ALIAS}",
        "unreachable": f"{back.rsh(sshd, me, 9)} {ALIAS}",
        "impostor": f"{back.rsh(sshd, way.target.host, 22)} {ALIAS}",
    }.items():
        note(name, way.argv(options, words))


def agents(way: Way, stranger: Way, strict: Way, key: KeyPair, sshd: Sshd, me: str) -> None:
    """What the agent signs, and what not."""
    rsh = back.rsh(sshd, me, sshd.port)
    there = f"{rsh} {ALIAS}"
    hops = back.hops(way.target, sshd)
    with way.agent(key, sshd, hops[:1]) as options:
        note("one-hop-list", way.argv(options, "ssh-add -L"))
        note("one-hop-login", way.argv(options, there))
    add = f"echo '{key.public}' >>/etc/ssh/authorized_keys/root; cat /run/sshd-keys/*.pub"
    host_key = run(stranger.argv([], add), timeout=20).stdout.decode().strip()
    known = f"-oKnownHostsCommand=/bin/echo {stranger.target.host} {host_key}"
    on_stranger = ["ssh", "-F", "none", "-oBatchMode=yes", known, str(stranger.target), "echo in"]
    direct = [*on_stranger[:3], "-oUserKnownHostsFile=/dev/null", *on_stranger[3:]]
    note("stranger-control", [*direct[:3], f"-i{key.private}", *direct[3:]])
    with way.agent(key, sshd, hops) as options:
        note("list", way.argv(options, "ssh-add -L"))
        note("stranger", way.argv(options, shlex.join(on_stranger)))
        signing = f"echo '{key.public}' >/tmp/k.pub; echo | ssh-keygen -Y sign -n x -f /tmp/k.pub"
        note("sign", way.argv(options, signing))
        note("library", way.argv(options, "echo | ssh-add -s /usr/lib/libc.so.6"))
        socket = options[1].partition("=")[2]
        note("origin", [*shlex.split(there)], env={"SSH_AUTH_SOCK": socket})
        note("other-client", stranger.argv(options, there))
    with strict.agent(key, sshd, back.hops(strict.target, sshd)) as options:
        note("no-agent-forwarding", strict.argv(options, there))
    with way.agent(key, sshd, hops, seconds=2) as options:
        time.sleep(3)
        note("expired-list", way.argv(options, "ssh-add -L"))
        note("expired", way.argv(options, there))
    other = keypair(key.private.parent, "other")
    with way.agent(other, sshd, hops) as options:
        note("other-key", way.argv(options, there))
    note("agent-gone", way.argv(options, there))


def ports(way: Way, strict: Way, dropbear: Way, key: KeyPair, sshd: Sshd) -> None:
    """The way back through a port of the client's."""
    note("no-port-forwarding", strict.argv(back.forward_port(sshd), "echo in"))
    for name, there in {"port": way, "dropbear-port": dropbear}.items():
        argv = there.argv(back.forward_port(sshd), "echo started >&2; exec sh -s")
        read_end, write_end = os.pipe()
        lines: list[str] = []
        with (
            open(read_end, "rb") as stdin,
            open(write_end, "w") as file,
            running(argv, name="ssh", stdin=stdin) as child,
        ):
            for item in child.lines():
                text = "" if item is None else item[1].decode().strip()
                lines += [text] if item else []
                if (port := back.allocated_port(text)) is not None:
                    file.write(script(key, sshd, port, name))
                    file.close()
            rc = child.wait(20)
        results[name] = {"rc": rc, "out": "\n".join(lines), "err": ""}


def script(key: KeyPair, sshd: Sshd, port: int, name: str) -> str:
    """For the client's shell, on standard input: it holds the key."""
    if name == "dropbear-port":  # which has no ssh: what answers there?
        return f"nc 127.0.0.1 {port} </dev/null | head -c 15\n"
    rsh = back.rsh(sshd, "127.0.0.1", port, files="/tmp/back")
    return (
        "umask 077; mkdir /tmp/back\n"
        f"cat >/tmp/back/key <<'END'\n{key.private.read_text()}END\n"
        f"echo '{sshd.known_hosts_line()}' >/tmp/back/known_hosts\n"
        f"{rsh} {ALIAS} </dev/null\nrm -r /tmp/back\n"
    )


def borg(way: Way, key: KeyPair, me: str) -> None:
    """borg here, its connection through the client and back: to `borg serve`."""
    with ExitStack() as stack:
        place = folder(stack)
        repository, other = place / "repo", place / "other"
        env = {"BORG_BASE_DIR": str(place / "base"), "BORG_HOST_ID": "borgpull-probe"}
        for path in (repository, other):
            run(["borg", "init", "-e", "none", str(path)], timeout=60, env=env)
        serve = ["borg", "serve", "--append-only", "--restrict-to-repository", str(repository)]
        sshds = stack.enter_context(ExitStack())
        sshd = sshds.enter_context(
            serving(folder(stack), key.public, serve, listen="0.0.0.0", env=env)
        )
        options = stack.enter_context(way.agent(key, sshd, back.hops(way.target, sshd)))
        rsh = way.config.command(back.rsh(sshd, me, sshd.port), options=options)
        env |= {
            "BORG_RSH": shlex.join(rsh),
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
            "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
            "BORG_EXIT_CODES": "modern",
        }
        url = f"ssh://{ALIAS}{repository}"
        for name, words in {
            "borg-create": ["create", f"{url}::one", "/etc/passwd"],
            "borg-list": ["list", "--short", "--log-json", url],
            "borg-other": ["list", f"ssh://{ALIAS}{other}"],
            "borg-above": ["init", "-e", "none", f"ssh://{ALIAS}{place}/third"],
        }.items():
            note(name, ["borg", *words], env=env, timeout=60)
        with running(["borg", "with-lock", url, "cat"], name="borg", env=env, stdin=PIPE) as child:
            locks = results["borg-locks"] = {}
            for when in ("during", "after"):
                deadline = time.monotonic() + 20
                while when == "during" and not [*repository.glob("lock.ex*")]:
                    assert time.monotonic() < deadline, child.stderr()
                    time.sleep(0.1)
                locks[when] = [path.name for path in repository.glob("lock.ex*")]
                sshds.close()
            assert child.popen.stdin
            child.popen.stdin.close()


def leave(key: KeyPair, sshds: ExitStack, sshd: Sshd) -> None:
    """Leave while a session is on: nothing is left."""
    place = key.private.parent
    (place / "known_hosts").write_text(sshd.known_hosts_line() + "\n")
    (place / "key").write_text(key.private.read_text())
    (place / "key").chmod(0o600)
    host = "127.0.0.1" if sshd.host == "0.0.0.0" else sshd.host
    rsh = back.rsh(sshd, host, sshd.port, files=str(place))
    argv = [*shlex.split(rsh), ALIAS, "wait"]
    with running(argv, name="ssh", grace=1) as child:
        next(item for item in child.lines() if item and item[1] == b"forced\n")
        while "sleep" not in (during := processes()):  # the command's
            time.sleep(0.05)
        started = time.monotonic()
        sshds.close()
        results["leave"] = {"during": during, "seconds": time.monotonic() - started}
        results["leave"]["after"] = [name for name in processes() if name != "ssh"]
    note("gone", argv)


def local(key: KeyPair, listen: str) -> None:
    """Without any client: does it serve at all, and does it say why not?"""
    with ExitStack() as stack:
        try:
            sshds = stack.enter_context(ExitStack())
            sshd = sshds.enter_context(
                serving(folder(stack), key.public, COMMAND, listen=listen, env={"BORG_X": "a b"})
            )
            leave(key, sshds, sshd)
        except BorgpullError as error:
            results["error"] = {"code": error.exit_code, "text": f"{error} {error.hint}"}


def main() -> None:
    with ExitStack() as stack:
        key = keypair(folder(stack), "run_key")
        if len(sys.argv) == 2:
            local(key, sys.argv[1])
        else:
            *hosts, me = sys.argv[1:]
            way, stranger, strict, dropbear = (Way(stack, host) for host in hosts)
            sshds = stack.enter_context(ExitStack())
            env = {"BORG_HOST_ID": "borgpull-probe"}
            sshd = sshds.enter_context(
                serving(folder(stack), key.public, COMMAND, listen="0.0.0.0", env=env)
            )
            with way.agent(key, sshd, back.hops(way.target, sshd)) as options:
                tries(way, options, sshd, me)
            agents(way, stranger, strict, key, sshd, me)
            ports(way, strict, dropbear, key, sshd)
            borg(way, key, me)
            leave(key, sshds, sshd)
            results["log"] = {"out": sshd.child.stderr()}
    results["folders"] = {"left": os.listdir("/dev/shm")}
    print(json.dumps(results))


if __name__ == "__main__":
    main()
