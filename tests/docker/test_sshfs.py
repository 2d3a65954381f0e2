"""The main job on both rungs: what is in the archive is what is on the client."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

import pytest

from tests.support.lab import Client, Lab, Rung

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

# Type, mode, owner's names, size of files, link target, path: NUL-separated records.
_FIND = (
    r"cd / && find srv/data -printf '%y %m %u %g %s %l\t%p\0' 2>/dev/null "
    r"| LC_ALL=C sort -z | base64 -w0"
)
_BORG_FORMAT = "{type}|{mode}|{user}|{uid}|{group}|{gid}|{size}|{linktarget}|{path}{NUL}"
# What SFTP turns into something else, by design of the protocol.
DEVICES = "bc"


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    return lab.client(MANY="500")


def on_client(client: Client) -> dict[str, tuple[str, ...]]:
    """Path, as borg lists it, to type, mode, user, group, size (files only), target."""
    found: dict[str, tuple[str, ...]] = {}
    for record in base64.b64decode(client.exec("sh", "-c", _FIND)).split(b"\0")[:-1]:
        facts, _, path = record.partition(b"\t")
        kind, mode, user, group, size, target = as_listed(facts).split(" ", 5)
        found[as_listed(path)] = (
            kind,
            mode.zfill(4),
            user,
            group,
            size if kind == "f" else "",
            target,
        )
    return found


def as_listed(name: bytes) -> str:
    """As borg's listing shows it: a question mark for each byte that is no UTF-8."""
    return name.decode(errors="surrogateescape").encode(errors="replace").decode()


def in_archive(lab: Lab, client: Client, archive: str) -> dict[str, tuple[str, ...]]:
    text = lab.borg(client.name, "list", "--format", _BORG_FORMAT, f"::{archive}", "srv/data")
    found: dict[str, tuple[str, ...]] = {}
    for record in text.split("\0")[:-1]:
        kind, mode, user, uid, group, gid, size, target, path = record.split("|", 8)
        kind = {"-": "f", "h": "f"}.get(kind, kind)
        found[path] = (
            kind,
            octal(mode),
            name_of(user, uid),
            name_of(group, gid),
            size if kind == "f" else "",
            target,
        )
    return found


def name_of(name: str, number: str) -> str:
    return number if name in ("", "None") else name


def octal(text: str) -> str:
    """`-rwsr-x---` as `4750`."""
    special, number = 0, 0
    for place, char in enumerate(text[1:]):
        number = number << 1 | (char not in "-ST")
        special |= (char in "sStT") << (2 - place // 3)
    return f"{special:o}{number:03o}"


@pytest.mark.parametrize("rung", ["userns", "sys-admin"])
def test_the_archive_holds_what_the_client_has(lab: Lab, client: Client, rung: Rung) -> None:
    done = lab.sidecar("sshfs", "--json", "--init", client.address, "/srv/data", rung=rung)
    assert done.rc == 0, done.stderr
    archive = done.result["data"]["archive"]
    assert re.fullmatch(re.escape(client.name) + r"-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", archive)
    there, here = on_client(client), in_archive(lab, client, archive)
    # borg saves no sockets: they are a process's, and mean nothing without it.
    sockets = [path for path, facts in there.items() if facts[0] == "s"]
    assert sockets
    assert not [there.pop(path) for path in sockets if path in here]
    assert done.result["data"]["losses"]["sockets"] == len([there.pop(path) for path in sockets])
    assert here.keys() == there.keys()
    differing = {path: (there[path], here[path]) for path in there if there[path] != here[path]}
    assert differing == {}
    links = [facts[5] for facts in here.values() if facts[0] == "l"]
    assert any(link.startswith("/") for link in links)
    assert any(".." in link for link in links)
    assert {"alice", "crew"} <= {name for facts in here.values() for name in facts[2:4]}


def test_content_is_the_same(lab: Lab, client: Client) -> None:
    archive = lab.backup(client, "/srv/data/files", "/srv/data/names")["data"]["archive"]
    for path in ("srv/data/files/eio-8mib.bin", "srv/data/files/sparse-64mib"):
        content = lab.borg_bytes(client.name, "extract", "--stdout", f"::{archive}", path)
        there = client.exec("sha256sum", f"/{path}").split()[0]
        assert hashlib.sha256(content).hexdigest() == there


def test_a_second_run_reads_no_byte_again(lab: Lab, client: Client) -> None:
    lab.backup(client, "/srv/data")
    data = lab.backup(client, "/srv/data")["data"]
    assert data["files_unchanged"] > 500
    assert data["files_read"] == len(data["read_paths"]) < 5
    for path in data["read_paths"]:
        assert client.exec("stat", "-c", "%s", path).strip() == "0", path
    assert data["new_bytes"] < 10_000


def test_what_a_whole_system_leaves_out_and_loses(lab: Lab, client: Client) -> None:
    # Without the programs, which are the most of it.
    words = ("--exclude", "/usr/*", "--name", "whole", "--init", client.address)
    done = lab.sidecar("sshfs", "--json", *words)
    assert done.rc == 0, done.stderr
    data = done.result["data"]
    assert {"/proc", "/sys", "/dev"} <= {item["path"] for item in data["left_out"]}
    assert data["losses"]["hard_links"] >= 2
    assert data["losses"]["devices"] == 2
    assert data["losses"]["xattrs_and_acls"] >= 3
    names = lab.borg("whole", "list", "--format", "{path}{NL}", f"::{data['archive']}").splitlines()
    assert {"proc", "sys", "dev", "etc/passwd", "srv/data/files/plain.txt"} <= set(names)
    assert not [name for name in names if name.startswith(("proc/", "sys/", "dev/"))]


def test_options(lab: Lab, client: Client) -> None:
    (lab.state / "patterns").write_text("# comment\n\nsh:etc/*.conf\n")
    done = lab.sidecar(
        *("sshfs", "--json", "--init", "--name", "options", "--archive", "a-{hostname}-{now:%Y}"),
        *("--exclude", "/etc/ssh", "--exclude-from", "/state/patterns"),
        *("--compression", "zstd,3", client.address, "/etc"),
    )
    assert done.rc == 0, done.stderr
    archive = done.result["data"]["archive"]
    assert re.fullmatch(r"a-options-\d{4}", archive)
    names = lab.borg("options", "list", "--format", "{path}{NL}", f"::{archive}").splitlines()
    assert "etc/passwd" in names
    assert not [name for name in names if name.startswith("etc/ssh/")]
    assert not [name for name in names if re.fullmatch(r"etc/[^/]*\.conf", name)]


def test_options_as_variables(lab: Lab, client: Client) -> None:
    variables = {
        "BORGPULL_INIT": "1",
        "BORGPULL_NAME": "variables",
        "BORGPULL_ARCHIVE": "named",
        "BORGPULL_EXCLUDE": "/etc/passwd /etc/group",
        "BORGPULL_JSON": "1",
    }
    options = [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]
    done = lab.sidecar("sshfs", client.address, "/etc", options=options)
    assert done.rc == 0, done.stderr
    assert done.result["data"]["archive"] == "named"
    names = lab.borg("variables", "list", "--format", "{path}{NL}", "::named").splitlines()
    assert "etc/shadow" in names
    assert not {"etc/passwd", "etc/group"} & set(names)


def test_a_dry_run_writes_nothing(lab: Lab, client: Client) -> None:
    lab.backup(client, "/etc/ssh")
    before = state_of(lab)
    done = lab.sidecar("sshfs", "--json", "--dry-run", client.address, "/etc")
    assert done.rc == 0, done.stderr
    assert done.result["data"]["items"] > 100
    assert state_of(lab) == before


def state_of(lab: Lab) -> dict[str, int]:
    """Files of repositories and ledgers with their times; borg's locks come and go."""
    return {
        str(path): path.stat().st_mtime_ns
        for folder in (lab.repo, lab.state)
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock" and "/borg/" not in str(path)
    }


@pytest.fixture(scope="module")
def latest(lab: Lab, client: Client) -> dict[str, Any]:
    """The data of a backup after which none comes in the tests that look at it."""
    data: dict[str, Any] = lab.backup(client, "/etc")["data"]
    return data


def test_list_info_and_stock_borg(lab: Lab, client: Client, latest: dict[str, Any]) -> None:
    listed = lab.sidecar("list", "--json", client.name, rung="none").result["data"]["archives"]
    assert listed[-1]["name"] == latest["archive"]
    assert all(item["verified"] for item in listed)
    items = lab.sidecar("list", client.name, "latest", rung="none").stdout
    assert re.search(r"^-rw-r----- root shadow .* etc/shadow$", items, re.MULTILINE)
    info = lab.sidecar("info", "--json", client.name, rung="none").result["data"]
    assert info["archives"]["latest"] == latest["archive"]
    assert info["encryption"]["mode"] == "repokey-blake2"
    key = lab.sidecar("borg", client.name, "--", "key", "export", "::", "-", rung="none")
    assert key.stdout == lab.borg(client.name, "key", "export", "::", "-")
    assert lab.sidecar("borg", client.name, "--", "no-such", rung="none").rc == 2


def test_the_ledger_and_the_files_cache_last(
    lab: Lab, client: Client, latest: dict[str, Any]
) -> None:
    base = lab.state / "clients" / client.name
    every = [json.loads(line) for line in (base / "ledger.jsonl").read_text().splitlines()]
    lines = [line for line in every if "event" not in line]
    assert lines[-1]["archive"] == latest["archive"]
    (cache,) = [path for path in (base / "borg/cache").iterdir() if path.is_dir()]
    generations = [path.name for path in cache.glob("files.g*")]
    verified = json.loads((base / "borg/files-cache.json").read_text())["verified"]
    assert generations == [f"files.{verified}"]


def test_by_the_host_command(lab: Lab, client: Client) -> None:
    done = lab.host("sshfs", "--init", "--name", "host", client.address, "/etc")
    assert done.rc == 0, done.stderr
    assert "is verified" in done.stdout
    listed = lab.host("list", "--json", "host")
    assert len(listed.result["data"]["archives"]) == 1
    key = lab.host("borg", "host", "--", "key", "export", "::", "-")
    assert key.stdout == lab.borg("host", "key", "export", "::", "-")
    assert lab.host("borg", "host", "--", "no-such").rc == 2


def test_doctor_by_the_host_command(lab: Lab) -> None:
    done = lab.host("doctor")
    assert done.rc == 0, done.stdout
    assert done.stdout.startswith("ok   engine: Docker ")


def test_doctor(lab: Lab, client: Client) -> None:
    done = lab.sidecar("doctor", "--json", client.address)
    checks: list[dict[str, Any]] = done.result["data"]["checks"]
    assert done.rc == 0
    assert {"fuse", "privilege", "apparmor", "user namespaces", "host key", "login and sftp"} <= {
        check["name"] for check in checks
    }
    broken = lab.sidecar("doctor", "--json", rung="none")
    failed = {check["name"] for check in broken.result["data"]["checks"] if check["ok"] is False}
    assert broken.rc == 53
    assert failed == {"fuse", "privilege"}


def test_a_key_that_may_only_read_by_sftp(lab: Lab) -> None:
    """The line of docs/methods.md: no shell, so losses are not counted, and that is said."""
    client = lab.client(MANY="5")
    keys = "/etc/ssh/authorized_keys/root"
    line = 'restrict,command="/usr/lib/openssh/sftp-server -R" '
    client.exec("sed", "-i", f"s|^|{line}|", keys)
    done = lab.sidecar("sshfs", "--json", "--init", client.address, "/etc")
    assert done.rc == 0, done.stderr
    notes = [event["text"] for event in done.events if event["event"] == "note"]
    assert any(text.startswith("not counted on the client, and not carried: ") for text in notes)
    assert done.result["data"]["listings"] == "not checked"


def test_an_sftp_only_chroot_may_have_data_in_folders_of_usual_names(lab: Lab) -> None:
    """It shows no mounts: what is left out by its name is told, and only what is there."""
    client = lab.client(SEED="0", SSHD_EXTRA="ChrootDirectory /jail\\nForceCommand internal-sftp")
    script = (
        "mkdir -p dev/project run www; echo x >dev/project/main.c; echo x >www/index; ln -s www sys"
    )
    client.exec("sh", "-c", f"mkdir -p -m 755 /jail; cd /jail; {script}")
    done = lab.sidecar("sshfs", "--json", "--init", client.address, "/")
    assert done.rc == 0, done.stderr
    left_out = [{"path": "/dev", "fstype": "unknown", "asked": False}]
    assert done.result["data"]["left_out"] == left_out
    told = [event["text"] for event in done.events if event["event"] == "warning"]
    assert any(text.startswith("left out: /dev (unknown)") for text in told), told
