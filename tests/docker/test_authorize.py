"""`borgpull authorize`: each line works as it is printed, and allows nothing more."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest

from tests.docker.test_errors import assert_error
from tests.support import lab as laboratory
from tests.support.lab import TIMEOUT, Client, Completed, Lab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
OWNER = 1000  # of the laboratory: the sidecars are not root

PATHS = ("/srv/data", "/srv/two  words", "/srv/it's a $HOME; `id` @BORG@ \\n")
QUOTED = '/srv/say "hello" \\"'  # not for dropbear


def with_folders(client: Client) -> Client:
    for path in (*PATHS, QUOTED):
        client.exec("sh", "-c", 'mkdir -p "$1"; cd "$1"; echo x >file; echo >skipped', "sh", path)
    return client


@pytest.fixture(scope="module")
def debian(lab: Lab) -> Client:
    return with_folders(lab.client(SEED="0"))


@pytest.fixture(scope="module")
def borg12(lab: Lab) -> Client:
    return with_folders(lab.client("borgpull-borg12-client", SEED="0"))


@pytest.fixture(scope="module")
def dropbear(lab: Lab) -> Client:
    """With a borg of its own: the runtime's."""
    client = with_folders(lab.client("borgpull-busybox-client", SEED="0"))
    cat = ["docker", "run", "--rm", "--label", lab.label, "--entrypoint", "cat", laboratory.IMAGE]
    tar = subprocess.run(
        [*cat, "/usr/local/share/borgpull/runtime.tar.gz"], capture_output=True, check=True
    ).stdout
    unpack = "mkdir -p /opt/borg && tar -C /opt/borg -xzf - && exec /opt/borg/borg --version"
    docker = ["docker", "exec", "-i", client.name, "sh", "-c", unpack]
    subprocess.run(docker, input=tar, check=True, capture_output=True, timeout=TIMEOUT)
    return client


def let_in(lab: Lab, client: Client, *words: str, name: str = "") -> str:
    """The one line that this client has from now on."""
    done = lab.plain("authorize", name or client.name, *words)
    assert done.rc == 0, done.stderr
    line = done.stdout.rstrip("\n")
    put_in(client, line)
    return line


def put_in(client: Client, line: str) -> None:
    files = "/etc/ssh/authorized_keys/root /root/.ssh/authorized_keys"
    script = f'for file in {files}; do [ ! -e $file ] || printf "%s\\n" "$1" >$file; done'
    client.exec("sh", "-c", script, "sh", line)


def by_key(lab: Lab, client: Client, script: str) -> str:
    """What a thief of the key sees: `script` has ssh's words as $S, and the client as $C."""
    words = "ssh -F none -i /tmp/k -oUserKnownHostsFile=/state/known_hosts -oBatchMode=yes"
    head = f"cp /run/secrets/ssh_key /tmp/k; chmod 600 /tmp/k; exec 2>&1; C={client.address}\n"
    done = lab.plain(
        "-c", f"{head}S='{words} -oConnectTimeout=10'\n{script}", options=["--entrypoint", "bash"]
    )
    return done.stdout + done.stderr


TRIES = """
echo "pty: $(timeout 20 $S -tt $C 'echo in' </dev/null)"
echo "agent: $(ssh-agent timeout 20 $S -A $C 'echo "<$SSH_AUTH_SOCK>"' </dev/null)"
echo "stdio: $(timeout 20 $S -W 127.0.0.1:22 $C </dev/null)"
timeout 60 $S -N -L 127.0.0.1:7001:127.0.0.1:22 $C &
until grep -q ':1B59 .* 0A ' /proc/net/tcp || ! kill -0 $!; do sleep 0.1; done # 7001, LISTEN
echo "local: $(timeout 20 head -c4 </dev/tcp/127.0.0.1/7001)"; kill $!
for listen in 0.0.0.0:7003 127.0.0.1:0; do # -f: it goes into the background once that listens
  timeout 20 $S -f -N -oExitOnForwardFailure=yes -R $listen:127.0.0.1:9 $C </dev/null
  echo "remote $listen: $?"
done
"""


@pytest.mark.parametrize("method", ["pipe", "stream", "socat", "agent", "forward", "sshfs"])
def test_the_line_of_a_method(
    request: pytest.FixtureRequest, lab: Lab, debian: Client, method: str
) -> None:
    if method == "stream":  # it needs a Python there
        debian = request.getfixturevalue("borg12")
    line = let_in(lab, debian, "--method", method)
    assert line.startswith("restrict"), line
    debian.exec("sh", "-c", "mkdir -p /root/.ssh; echo 'touch /tmp/rc' >/root/.ssh/rc")
    words = ("--init", "--name", f"by-{method}", debian.address, "/srv/data")
    done = (lab.sidecar if method == "sshfs" else lab.plain)(method, *words)
    assert done.rc == 0, done.stderr

    out = by_key(lab, debian, TRIES)
    assert "PTY allocation request failed" in out, out
    assert ("agent: </" in out) == (method == "agent"), out
    assert "SSH-" not in out, out
    assert out.count("administratively prohibited") == 2, out
    assert "remote 0.0.0.0:7003: 255" in out, out
    assert f"remote 127.0.0.1:0: {0 if method == 'forward' else 255}" in out, out
    assert debian.exec("sh", "-c", "ls /tmp/rc || true") == ""
    for other in ("socat", "agent", "forward") if method == "pipe" else ():
        done = lab.plain(other, "--name", f"by-{method}", debian.address, "/srv/data")
        assert_error(done, 71)


def twice(lab: Lab, client: Client, paths: tuple[str, ...], *options: str) -> list[dict[str, Any]]:
    return [lab.pull("pipe", client, *paths, *options)["data"] for _ in range(2)]


FORCED_TRIES = r"""
ask() { echo "--- $1"; shift; printf '%s\n' "$@" | timeout 20 $S $C 'id; touch /srv/PWNED'; }
ask nothing
ask 'another word' 'id; touch /srv/PWNED' '$(touch /srv/PWNED)'
ask 'substituted' borgpull-create pw '$(touch /srv/PWNED)' '`touch /srv/PWNED`'
ask 'an option for a name' borgpull-create pw "--rsh=sh -c 'touch /srv/PWNED' " lz4
ask 'an option for compression' borgpull-create pw x "--rsh=sh -c 'touch /srv/PWNED' "
ask 'an option for a new name' borgpull-rename pw x "--rsh=sh -c 'touch /srv/PWNED' "
ask 'another place' borgpull-create pw 'x/../../srv::PWNED' none
ask 'a glob' borgpull-list pw '*' '*' </dev/null
echo "--- pty"; timeout 20 $S -tt $C </dev/null
echo "--- sftp"; timeout 20 $S -s $C sftp </dev/null
echo "--- stdio"; timeout 20 $S -W 127.0.0.1:22 $C </dev/null
"""


def assert_forced(lab: Lab, client: Client) -> None:
    out = by_key(lab, client, FORCED_TRIES)
    assert out.count("--- ") == 11, out
    assert "uid=" not in out, out
    assert "SSH-" not in out, out
    assert out.count("borgpull-forced ") >= 3, out
    assert client.exec("sh", "-c", "ls -d /srv/PWNED /PWNED || true") == ""


def test_the_forced_command(lab: Lab, borg12: Client) -> None:
    paths = (*PATHS, QUOTED)
    exclude = ("--exclude", "sh:**/skipped")
    line = let_in(lab, borg12, *paths, "--client-borg", "/usr/bin/borg", *exclude)
    assert line.startswith('restrict,command="')
    first, second = twice(lab, borg12, paths)
    assert (first["items"]["-"], first["files_read"]) == (4, 4)
    assert (second["items"]["-"], second["files_read"]) == (4, 0)
    found = lab.borg(borg12.name, "list", "--format", "{path}{NUL}", f"::{second['archive']}")
    assert set(found.split("\0")) - {""} == {
        *(path.lstrip("/") for path in paths),
        *(f"{path.lstrip('/')}/file" for path in paths),
    }

    done = lab.plain("pipe", "--dry-run", borg12.address, *paths)
    assert (done.rc, "items would be saved" in done.stdout) == (0, True), done.stderr
    for words in (
        (),
        paths[:1],
        (*paths, "/etc"),
        (*paths, "--exclude", "x"),
    ):
        assert_error(lab.plain("pipe", borg12.address, *words), 2)
    for method in ("socat", "agent"):
        assert_error(lab.plain(method, borg12.address, *paths), 38, "limited to a command")
    assert_forced(lab, borg12)


ODD_PATHS = r"""
mkdir -p /srv/k/d/sub /srv/k/hollow /srv/k/socks "/srv/k/it's  e"; cd /srv/k
echo f >f; ln f d/x; echo y >d/y; echo z >d/sub/z
cd socks; ssh-agent -D -a sock >/dev/null & pid=$!
until [ -S sock ]; do sleep 0.1; done; kill -KILL $pid
cat >/srv/borg <<'END'
#!/bin/sh
# Says more than the real one: what races look like.
case " $* " in *" create "*) cat /srv/say >&2 ;; esac
exec /usr/bin/borg "$@"
END
chmod 755 /srv/borg; >/srv/say
"""


def before_it_knew_of_roots(line: str) -> str:
    """The line as the version before made it: its paths go to borg as they come."""
    found = re.search(r"; cd /; set -- (.*); n=\$#; .*?; shift \$n; ", line)
    assert found is not None, line
    line = line.replace(found[0], "; cd /; ").replace("::$a $@;;", f"::$a {found[1]};;")
    return re.sub("; echo borgpull-knows roots; .*? done; exit", "; exit", line)


def say_gone(client: Client, *paths: str) -> None:
    """What the client's borg says from now on of these, as if they had vanished."""
    lines: list[dict[str, str]] = []
    for path in paths:
        text = f"{path}: open: [Errno 2] No such file or directory: '{path}'"
        lines.append({"type": "log_message", "levelname": "WARNING", "message": text})
        lines.append({"type": "file_status", "status": "E", "path": path})
    said = "".join(json.dumps(line) + "\n" for line in lines)
    client.exec("sh", "-c", 'printf %s "$1" >/srv/say', "sh", said)


def test_the_forced_command_loses_nothing(lab: Lab, borg12: Client) -> None:
    borg12.exec("bash", "-c", ODD_PATHS)
    own, name = ("--client-borg", "/srv/borg"), ("--name", "odd")
    hollow = ("/srv/k/hollow", "/srv/k/it's  e", "/srv/k/socks")
    paths = ("/srv/k/f", "/srv/k/d", *hollow, "/srv/k/d/sub")

    def pull(*words: str) -> Completed:
        return lab.plain("pipe", "--json", "--init", *name, borg12.address, *words)

    def authorize(*words: str) -> str:
        return let_in(lab, borg12, *words, *own, name="odd")

    authorize(*paths)
    done = pull(*reversed(paths))
    assert done.rc == 0, done.stdout[-2000:] + done.stderr
    data = done.result["data"]
    warned = [
        (item["text"], item.get("path")) for item in done.events if item["event"] == "warning"
    ]
    assert warned == [("only sockets are in it, which are not saved", "/srv/k/socks")]
    listed = lab.borg("odd", "list", "--format", "{path}{NUL}", f"::{data['archive']}")
    below = ["/srv/k/d/x", "/srv/k/d/y", "/srv/k/d/sub/z"]
    assert sorted(listed.split("\0")[:-1]) == sorted(path[1:] for path in (*paths, *below))

    # A file that vanished, or was said to: borg looks once more.
    say_gone(borg12, "srv/k/d/gone")
    done = pull(*paths)
    assert (done.rc, done.result["data"]["vanished"]) == (0, ["/srv/k/d/gone"]), done.stdout[-2000:]
    say_gone(borg12, "srv/k/d/gone", "srv/k/d/y")
    assert_failed(pull(*paths), 60, "/srv/k/d/y")

    # Lines of the version before.
    folders = ("/srv/k/d", "/srv/k/it's  e", PATHS[2])
    borg12.exec("touch", "/srv/k/it's  e/file")
    put_in(borg12, before_it_knew_of_roots(authorize(*folders)))
    assert_failed(pull(*folders), 60, "/srv/k/d/y")
    say_gone(borg12)
    put_in(borg12, before_it_knew_of_roots(authorize("/srv/k/d", "/srv/k/d/sub")))
    assert_failed(pull("/srv/k/d", "/srv/k/d/sub"), 38, "older version", "twice")
    put_in(borg12, before_it_knew_of_roots(authorize("/srv/k/f", "/srv/k/d")))
    assert_failed(pull("/srv/k/f", "/srv/k/d"), 38, "older version", "/srv/k/f")
    put_in(borg12, before_it_knew_of_roots(authorize(*folders, "/srv/k/f")))
    assert pull("/srv/k/f", *folders).rc == 0


def assert_failed(done: Completed, code: int, *words: str) -> None:
    assert done.rc == code, done.stdout[-2000:] + done.stderr
    message = done.result["failure"]["message"]
    assert all(word in message for word in words), message


def test_the_forced_command_for_dropbear(lab: Lab, dropbear: Client) -> None:
    dropbear.exec("mkdir", "/srv/it's  empty")
    paths = (*PATHS, "/srv/it's  empty")
    let_in(lab, dropbear, *paths, "--client-borg", "/opt/borg/borg")
    first, second = twice(lab, dropbear, paths)
    assert (first["files_read"], second["files_read"]) == (6, 0)
    assert_error(lab.plain("pipe", dropbear.address, "/etc"), 2)
    assert_forced(lab, dropbear)


def test_dropbear_and_the_other_lines(lab: Lab, dropbear: Client) -> None:
    let_in(lab, dropbear, "--method", "pipe")
    words = ("--name", "dropbear", dropbear.address, "/srv/data")
    assert lab.plain("pipe", "--init", *words).rc == 0
    for method in ("socat", "agent", "forward"):  # it does not know what they ask for
        let_in(lab, dropbear, "--method", method)
        assert_error(lab.plain(method, *words), 32)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("c", "relative", "--client-borg", "/usr/bin/borg"), 2),
        (("c", "/a\nb", "--client-borg", "/usr/bin/borg"), 2),
        (("c", "/a", "--method", "socat", "--client-borg", "/usr/bin/borg"), 2),
        (("../c", "/a"), 11),
        (("c", "--ssh-key", "/etc/hostname"), 10),
        (("c", "/a"), 2),
        (("c", "/a", "--method", "sshfs"), 2),
        (("c", "/a", "--method", "stream", "--exclude", "x"), 2),
    ],
)
def test_what_cannot_be_authorized(lab: Lab, words: tuple[str, ...], code: int) -> None:
    assert_error(lab.plain("authorize", *words), code)
