"""A key for stream that is limited to paths: it saves these, and its thief gets nothing else."""

from __future__ import annotations

import pytest

from borgpull.client import authorized
from tests.docker.test_authorize import TRIES, by_key, let_in, put_in
from tests.docker.test_errors import assert_error
from tests.support.lab import Client, Lab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
OWNER = 1000  # of the laboratory: the sidecars are not root

PATHS = ("/srv/data", "/srv/it's a $HOME")
SEED = r"""
mkdir -p data/sub "$1" secret
echo open >data/file; echo open >data/sub/file; echo open >"$1/file"
echo TOP-SECRET >secret/of-mine; ln -s /srv/secret data/out; ln -s /srv/secret/of-mine data/link
"""

# What a thief sends, who knows all of our code. Each answer is printed.
THIEF = r"""
import json, os, struct, subprocess
from borgpull.client import helper

S, C = os.environ["S"].split(), os.environ["C"]
TEXT = helper.source().encode()
EVIL = b"import os; os.system('id; cat /srv/secret/of-mine; touch /srv/PWNED')\n"
HEX = lambda path: path.encode().hex()
ROOTS = ["/srv/secret", "/", "/srv/data/..", "/srv/data/out", "/srv/data/sub", "/srv/data/",
         "/srv/data\0", "/srv/data\n/srv/secret", "", "."]
ASK = [*ROOTS[:4], "/srv/data/../secret/of-mine", "/srv/data/out/of-mine", "/srv/data/out/nothing",
       "/srv/data/sub/../../secret/of-mine", "/etc/shadow", "srv/secret", "/srv/data/sub"]

def text(of=TEXT):
    return b"IFS= read -r line\n" + b"%8d" % len(of) + of

def question(paths):
    return json.dumps({"paths": [HEX(path) for path in paths]}).encode() + b"\n"

def plan(roots, bars=None):
    return json.dumps({"roots": [HEX(root) for root in roots], "bars": bars or {}}).encode() + b"\n"

def read(*numbers):
    return b"".join(struct.pack("<BI", 0, number) for number in numbers)

TRIES = {
    "a command": b"id; cat /srv/secret/of-mine; touch /srv/PWNED\n",
    "code": text(EVIL) + EVIL,
    "code and a question": text(EVIL) + question(["/srv/data"]) + plan(["/srv/data"]),
    "a length": b"\n-0000001" + EVIL, "no length": b"\n     1e9" + EVIL, "much": b"\n99999999",
    "questions": text() + question(ASK),
    "no question": text() + b"[]\n", "a list": text() + b'{"paths": [["x"]]}\n',
    "early": text() + question([]) + plan(["/srv/data"]) + read(0, 1, 2, 3, 4, 9, 4294967295),
    **{f"root {root!r}": text() + question([]) + plan([root]) + read(*range(9)) for root in ROOTS},
    "both roots": text() + question([]) + plan(["/srv/data", "/srv/secret"]) + read(*range(9)),
    "bars": text() + question([]) + plan(["/srv/data"], {HEX("/srv/secret"): [None]}),
}
TRIES |= {f"entry {number}": text() + question([]) + plan(["/srv/data"]) for number in range(7)}
for what, sent in TRIES.items():
    ssh = subprocess.Popen([*S, C, "cat /srv/secret/of-mine"], stdin=-1, stdout=-1, stderr=-2)
    ssh.stdin.write(sent)
    ssh.stdin.flush()
    answer = b""
    if what.startswith("entry "):
        while b"\n\x08\0\0\0" not in answer and (piece := os.read(ssh.stdout.fileno(), 65536)):
            answer += piece  # up to the end of the listing
        ssh.stdin.write(read(int(what[6:])))
    answer += ssh.communicate(timeout=30)[0]
    head, mark, said = answer.partition(b'"paths": ')
    print(f"--- {what}: {said if mark else answer!r}")
    if what == "questions":
        print("answers", *[item.get("errno") for item in json.loads(b'{"paths": ' + said)["paths"]])
"""


OLDER = """
from borgpull.client import authorized, helper
text = helper.source() + '# of another version'
helper.source = lambda: text
print(end=authorized.limited_command(['/srv/data']))
"""


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    client = lab.client("borgpull-borg12-client", SEED="0")
    client.exec("sh", "-c", f"cd /srv; {SEED}", "sh", PATHS[1])
    return client


METHOD = ("--method", "stream")


def test_a_limited_key_saves_its_paths(lab: Lab, client: Client) -> None:
    line = let_in(lab, client, *PATHS, "--method", "stream")
    assert line.startswith('restrict,command="exec python3 -I -S -c ')
    assert len(line) < authorized.MAX_LINE - 700  # room for paths
    done = lab.plain("authorize", client.name, *(f"/srv/{n:0200}" for n in range(3)), *METHOD)
    assert done.rc == 0
    assert "name fewer paths" in done.stderr
    first, second = (lab.pull("stream", client, *PATHS)["data"] for _ in range(2))
    assert (first["reader"], first["items"]["-"], first["files_read"]) == ("python", 3, 3)
    assert second["items"] == first["items"]
    done = lab.plain("stream", client.address, "/srv/secret")
    assert_error(done, 2, "reads /srv/data")
    assert_error(lab.plain("stream", "--sudo", client.address, PATHS[0]), 2, "sudo")
    for method in ("pipe", "socat"):
        assert_error(lab.plain(method, client.address, PATHS[0]), 38, "limited to")


def test_its_thief_gets_nothing_else(lab: Lab, client: Client) -> None:
    let_in(lab, client, *PATHS, "--method", "stream")
    out = by_key(lab, client, f"export S C\npython3 - <<'END'\n{THIEF}\nEND\n")
    tries = out.splitlines()
    assert sum(line.startswith("--- ") for line in tries) == 29, out
    assert "TOP-SECRET" not in out, out
    assert "uid=" not in out, out
    assert "of-mine" not in out.replace("/srv/secret/of-mine", ""), out  # a link's own target
    assert "answers 13 13 13 None 13 13 13 13 13 13 None" in out, out
    read = [line for line in tries if line.startswith("--- entry") and "open\\n" in line]
    assert len(read) == 2, out  # so that these questions are good ones
    assert client.exec("sh", "-c", "ls -d /srv/PWNED || true") == ""
    out = by_key(lab, client, TRIES)
    assert "in" not in out.split("pty: ")[1].split("agent: ")[0].replace("Connection", ""), out
    assert "SSH-" not in out, out
    assert out.count("administratively prohibited") == 2, out


def test_a_line_of_another_version(lab: Lab, client: Client) -> None:
    line = let_in(lab, client, *PATHS, "--method", "stream")
    other = lab.plain("-c", OLDER, options=["--entrypoint", "python3"]).stdout
    key = line.rpartition('" ')[2]
    put_in(client, f'restrict,command="{other}" {key}')
    assert_error(lab.plain("stream", client.address, "/srv/data"), 38, "another version")
