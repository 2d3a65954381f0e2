"""The guard on real parts: what an attack on a client does to its backups, and what it cannot."""

from __future__ import annotations

from typing import Any

import pytest

from borgpull.state import guards
from tests.support.lab import Client, Completed, Lab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

OWNER = 1000
INSTALLED = True  # clients have borg: how it gets there is tested elsewhere
PYTHON = "borgpull-borg12-client"  # the client that has one
TREE, MOUNT = "/srv/work", "/srv/work/mount"
MAKE = f"""
import os
os.makedirs("{TREE}/docs/deep", exist_ok=True)
for at in range(200):
    folder = "docs/deep" if at % 2 else "docs"
    with open(f"{TREE}/{{folder}}/{{at}}.txt", "w") as file:
        file.write(f"a line of text, number {{at}}\\n" * 100)
for at in range(30):
    with open(f"{TREE}/{{at}}.conf", "w") as file:
        file.write(f"key{{at}} = value\\n" * 100)
"""
ENCRYPT = f"""
import os
for folder, _, names in os.walk("{TREE}/docs"):
    for name in names:
        path = os.path.join(folder, name)
        with open(path, "r+b") as file:
            file.write(os.urandom(os.path.getsize(path)))
        os.rename(path, path + ".locked")
"""
KEEP_ONE = ("--keep-last", "1")


def python(client: Client, script: str) -> None:
    client.exec("python3", "-c", script)


def backed_up(lab: Lab, client: Client, archive: str, *words: str) -> Completed:
    method = "stream" if "pipe" not in words else "pipe"
    more = [word for word in words if word != "pipe"]
    argv = [method, "--json", "--init", client.address, "--archive", archive, *more, TREE]
    return lab.plain(*argv)


def good(lab: Lab, client: Client, archive: str, *words: str) -> dict[str, Any]:
    done = backed_up(lab, client, archive, *words)
    assert done.rc == 0, done.stdout[-2000:] + done.stderr
    found: dict[str, Any] = done.result["data"]["guard"]
    return found


def ours(lab: Lab, *words: str) -> Completed:
    return lab.sidecar(*words, rung="none")


def listed(lab: Lab, client: Client) -> dict[str, str]:
    data = ours(lab, "list", "--json", client.name).result["data"]
    return {item["name"]: item["standing"] for item in data["archives"]}


def test_an_encrypted_client(lab: Lab) -> None:
    client = lab.client(PYTHON, SEED="0")
    python(client, MAKE)
    assert good(lab, client, "one")["state"] == "first"
    client.exec("sh", "-c", f"echo more >>{TREE}/1.conf; echo new >{TREE}/new")
    assert good(lab, client, "two") == {
        "state": "good",
        "why": "",
        "runs": 1,
        "findings": [],
        "frozen": False,
    }
    python(client, ENCRYPT)
    done = backed_up(lab, client, "three")
    data, failure = done.result["data"], done.result["failure"]
    assert (done.rc, failure["error"]) == (58, "GuardTripped"), done.stdout[-2000:]
    assert "turned" in {item["rule"] for item in data["guard"]["findings"]}, data["guard"]
    assert (data["guard"]["state"], data["guard"]["frozen"]) == ("tripped", True)
    assert listed(lab, client) == dict.fromkeys(("one", "two", "three"), "verified")

    # The next day, nothing has changed, and it is as bad. Not a day before is forgotten.
    done = backed_up(lab, client, "four")
    assert (done.rc, done.result["data"]["guard"]["state"]) == (58, "tripped")
    for words in (
        ("prune", client.name, *KEEP_ONE),
        ("prune", "--dry-run", client.name, *KEEP_ONE),
        ("borg", client.name, "--", "delete", "::one"),
        ("borg", client.name, "--", "compact"),
    ):
        done = ours(lab, *words)
        assert (done.rc, "cannot be compressed any more" in done.stderr) == (58, True), done.stderr
    done = ours(lab, "status", client.name)
    assert (done.rc, "frozen since" in done.stdout, "three" in done.stdout) == (58, True, True)
    assert len(listed(lab, client)) == 4
    done = ours(lab, "acknowledge", client.name)
    assert (done.rc, "--reason" in done.stderr) == (2, True), done.stderr

    done = ours(lab, "acknowledge", "--json", client.name, "--reason", "all is in the vault")
    lifted = done.result["data"]["lifted"]
    assert (done.rc, lifted["reason"]) == (0, "all is in the vault"), done.stderr
    assert lifted["frozen"]["archive"] == "three"
    assert good(lab, client, "five")["state"] == "good"
    done = ours(lab, "prune", client.name, *KEEP_ONE)
    assert done.rc == 0, done.stderr
    assert list(listed(lab, client)) == ["five"]
    done = ours(lab, "status", client.name)
    assert (done.rc, "frozen" in done.stdout) == (0, False), done.stdout


def test_an_emptied_mount_and_a_method_without_a_manifest(lab: Lab) -> None:
    may_mount = ["--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined"]
    client = lab.client(PYTHON, SEED="0", options=["--tmpfs", f"{MOUNT}:rw", *may_mount])
    python(client, MAKE)
    client.exec("sh", "-c", f"for i in 1 2 3 4; do echo $i >{MOUNT}/$i; done")
    good(lab, client, "one", MOUNT)  # a tmpfs is left out unless it is named
    assert good(lab, client, "two", MOUNT)["state"] == "good"
    client.exec("umount", MOUNT)
    done = backed_up(lab, client, "three", MOUNT)
    (found,) = done.result["data"]["guard"]["findings"]
    assert (done.rc, found["rule"]) == (58, "emptied"), done.stdout[-2000:]
    assert found["text"] == f"{MOUNT} is no mount any more, and is empty: it had 4 files"
    client.exec("sh", "-c", f"rm -r {TREE}/docs/*")
    done = backed_up(lab, client, "four", MOUNT)
    texts = [item["text"] for item in done.result["data"]["guard"]["findings"]]
    assert f"{TREE}/docs is empty: it had 200 files" in texts
    assert guards.frozen(lab.state, client.name) is not None

    told = good(lab, client, "by-pipe", "pipe", MOUNT)
    assert (told["state"], told["frozen"]) == ("not guarded", True)
    assert "does not tell each content" in told["why"]
    done = ours(lab, "status", client.name)
    assert "not guarded" in done.stdout, done.stdout
