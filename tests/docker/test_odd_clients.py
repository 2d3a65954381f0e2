"""borg on clients that are not as one would wish: old borg, no tools, no room, other logins."""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest

from tests.docker.test_errors import assert_error
from tests.support.lab import IMAGE, Client, Lab, docker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
OWNER = 1000  # of the laboratory: the sidecars are not root

BORG12 = ("--client-borg", "/usr/bin/borg")
# A root that cannot be written, but for what the client's own entrypoint needs.
READ_ONLY = ("--read-only", "--tmpfs", "/run", "--tmpfs", "/etc/ssh/authorized_keys")


def small_tree(client: Client) -> Client:
    script = """
    mkdir -p /srv/data/tree/d /srv/data/mixed; cd /srv/data
    echo a >tree/a; echo b >tree/d/b; ln -s a tree/l
    echo pub >mixed/public; echo secret >mixed/secret; chmod 600 mixed/secret
    """
    client.exec("sh", "-c", script)
    return client


@pytest.fixture(scope="module")
def debian(lab: Lab) -> Client:
    return small_tree(lab.client(SEED="0"))


@pytest.fixture(scope="module")
def installed(lab: Lab) -> Client:
    """For tests that are not of our programs there: it has borg."""
    return small_tree(lab.client(SEED="0", installed=True))


@pytest.fixture(scope="module")
def borg12(lab: Lab) -> Client:
    return small_tree(lab.client("borgpull-borg12-client", SEED="0"))


@pytest.fixture(scope="module")
def dropbear(lab: Lab) -> Client:
    return lab.client("borgpull-busybox-client")


TREE = {"srv/data/tree", "srv/data/tree/a", "srv/data/tree/d", "srv/data/tree/d/b"} | {
    "srv/data/tree/l"
}


def names(lab: Lab, client: str, data: dict[str, Any]) -> set[str]:
    out = lab.borg(client, "list", "--format", "{path}{NUL}", f"::{data['archive']}")
    return set(out.split("\0")) - {""}


def ours(client: Client) -> list[str]:
    """Our folders on the client and what is in them, with inodes and times."""
    script = "for p in /var/cache /tmp /var/tmp /dev/shm /run /root; do [ ! -d $p ] || "
    script += "find $p -path '*/borgpull-*' -exec stat -c '%n %i %Y %Z' {} +; done"
    return client.exec("sh", "-c", script).splitlines()


# --- another borg -----------------------------------------------------------------------------


def test_the_clients_own_borg_is_used_if_named(lab: Lab, borg12: Client) -> None:
    first = lab.pull("pipe", borg12, "/srv/data/tree", *BORG12)["data"]
    again = lab.pull("socat", borg12, "/srv/data/tree", *BORG12)["data"]
    assert (first["files_read"], again["files_read"]) == (2, 0)
    assert names(lab, borg12.name, again) == TREE
    extract = ("extract", "--stdout", f"::{again['archive']}", "srv/data/tree/d")
    assert lab.borg(borg12.name, *extract) == "b\n"
    done = lab.plain("borg", borg12.name, "--", "check", "--verify-data")
    assert done.rc == 0, done.stderr
    # Not used unasked: the runtime is what has these exit codes and messages.
    data = lab.pull("pipe", borg12, "/srv/data/tree")["data"]
    assert names(lab, borg12.name, data) == TREE
    assert lab.borg(borg12.name, "diff", f"::{first['archive']}", data["archive"]) == ""
    command = lab.borg(borg12.name, "info", f"::{data['archive']}")
    assert "/runtime/" in command


def test_its_warnings_are_judged_without_msgid(lab: Lab, borg12: Client) -> None:
    alice = ("--name", "alice12", f"alice@{borg12.name}", "/srv/data/mixed", *BORG12)
    assert_error(lab.plain("pipe", "--init", *alice), 61, "/srv/data/mixed/secret")
    done = lab.plain("pipe", "--json", *alice, "--allow-unreadable", "/srv/data/mixed/secret")
    assert done.rc == 0, done.stderr
    assert done.result["data"]["allowed_unreadable"] == ["/srv/data/mixed/secret"]

    borg12.exec(
        "sh",
        "-c",
        # Large, so that it changes while it is read, however busy the machine is.
        "mkdir /srv/data/busy; cd /srv/data/busy; truncate -s 100M log;"
        " while [ ! -e /run/enough ]; do echo x >>log; done",
        detach=True,
    )
    try:
        data = lab.pull("pipe", borg12, "/srv/data/busy", *BORG12)["data"]
    finally:
        borg12.exec("touch", "/run/enough")  # or it takes a processor for all other tests
    assert data["changed"] == ["/srv/data/busy/log"]


def test_a_broken_disk_under_an_old_borg(lab: Lab) -> None:
    client = lab.client(
        "borgpull-borg12-client", SEED="0", SFTP_WRAPPER="eio", PRELOAD_SCOPE="all", EIO_AT="9"
    )
    client.exec("sh", "-c", "echo 0123456789abcdef >/srv/data/eio-file; echo b >/srv/data/b")
    done = lab.plain("pipe", "--init", client.address, "/srv/data", *BORG12)
    assert_error(done, 60, "/srv/data/eio-file", "Input/output error")


@pytest.mark.parametrize("program", ["/usr/bin/false", "/no/such", "/srv/data/borg2"])
def test_what_is_no_borg_for_us(lab: Lab, debian: Client, program: str) -> None:
    script = "printf '#!/bin/sh\\necho borg 2.0.0b5\\n' >/srv/data/borg2; chmod 755 /srv/data/borg2"
    debian.exec("sh", "-c", script)
    words = ("--init", debian.address, "/srv/data/tree", "--client-borg", program)
    assert_error(lab.plain("pipe", *words), 38, program)


# --- another sshd -----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["pipe", "agent", "forward"])
def test_dropbear(lab: Lab, dropbear: Client, method: str) -> None:
    data = lab.pull(method, dropbear, "/srv/data")["data"]
    assert len(names(lab, dropbear.name, data)) == 15
    assert ours(dropbear) == []


def test_dropbear_forwards_no_socket(lab: Lab, dropbear: Client) -> None:
    done = lab.plain("socat", "--init", dropbear.address, "/srv/data")
    assert_error(done, 71, "unix socket")
    assert "use pipe" in done.stderr
    assert ours(dropbear) == []


# --- another place ----------------------------------------------------------------------------


def test_a_read_only_client_with_one_folder_for_programs(lab: Lab) -> None:
    """Its home cannot be written, /run and /dev/shm hold no programs; /tmp neither, at first."""
    options = (*READ_ONLY, "--tmpfs", "/tmp:noexec", "--tmpfs", "/var/tmp:exec")
    client = small_tree(lab.client(SEED="0", options=options))
    data = lab.pull("pipe", client, "/srv/data/tree", "--keep-runtime")["data"]
    assert names(lab, client.name, data) == TREE
    (folder,) = client.exec("sh", "-c", "ls -d /*/borgpull-* /*/*/borgpull-* || true").split()
    assert folder.startswith("/var/tmp/borgpull-")
    lab.pull("forward", client, "/srv/data/tree")
    assert client.exec("ls", "/var/tmp") == ""


def test_a_client_with_no_folder_for_programs(lab: Lab) -> None:
    client = small_tree(lab.client(SEED="0", options=(*READ_ONLY, "--tmpfs", "/tmp:noexec")))
    done = lab.plain("pipe", "--init", client.address, "/srv/data/tree")
    assert_error(done, 38, "no folder for us")
    assert "noexec" in done.stderr
    assert "sshfs" in done.stderr
    assert ours(client) == []
    (found,) = doctor(lab, client)
    assert found["ok"] is None
    assert found["text"].startswith("only sshfs works: ")


def doctor(lab: Lab, client: Client) -> list[dict[str, Any]]:
    done = lab.plain("doctor", "--json", client.address)
    return [item for item in done.result["data"]["checks"] if item["name"] == "borg there"]


FILL = "until ls -d /tmp/borgpull-*/home/cache; do :; done; dd if=/dev/zero of=/tmp/fill bs=64k"


def test_a_client_without_room_for_programs(lab: Lab) -> None:
    """One folder may hold programs, and is too small; a borg of its own needs none."""
    programs, runtime = lab.folder / "bin", lab.folder / "runtime"
    for path in (programs, runtime):
        path.mkdir()
    packed = "/usr/local/share/borgpull/runtime.tar.gz"
    unpack = ["run", "--rm", "-v", f"{runtime}:/to", "--entrypoint", "tar", IMAGE, "-xzf", packed]
    docker(*unpack, "-C", "/to")
    options = [*READ_ONLY, "--tmpfs", "/tmp:noexec,size=12m", "--tmpfs", "/var/tmp:exec,size=60m"]
    options += ["-v", f"{programs}:/usr/local/bin:ro", "-v", f"{runtime}:/runtime:ro"]
    client = small_tree(lab.client(SEED="0", options=options))
    done = lab.plain("pipe", "--init", client.address, "/srv/data/tree")
    assert_error(done, 55, "/var/tmp (")

    own = programs / "borg"
    own.write_text('#!/bin/sh\nexec /runtime/borg "$@"\n')
    own.chmod(0o755)
    (found,) = doctor(lab, client)
    assert found["text"].startswith("its own; pipe works")
    data = lab.pull("pipe", client, "/srv/data/tree")["data"]
    assert names(lab, client.name, data) == TREE
    client.exec("sh", "-c", FILL, detach=True)
    done = lab.plain("pipe", client.address, "/srv/data/tree")
    assert_error(done, 55, "/tmp/borgpull-", "is full")
    assert ours(client) == []


@contextlib.contextmanager
def without(client: Client, *programs: str) -> Iterator[None]:
    for name in programs:
        client.exec("mv", f"/usr/bin/{name}", f"/usr/bin/{name}.off")
    try:
        yield
    finally:
        for name in programs:
            client.exec("mv", f"/usr/bin/{name}.off", f"/usr/bin/{name}")


def test_tools_that_are_missing(lab: Lab, debian: Client) -> None:
    words = ("--init", debian.address, "/srv/data/tree")
    with without(debian, "tar", "sha256sum"):
        done = lab.plain("pipe", *words)
        assert_error(done, 38, "no sha256sum and no tar")
        assert "--client-borg" in done.stderr
    with without(debian, "gzip"):
        data = lab.pull("pipe", debian, "/srv/data/tree")["data"]
    assert names(lab, debian.name, data) == TREE
    assert ours(debian) == []


def test_another_cpu(lab: Lab, debian: Client) -> None:
    fake = "printf '#!/bin/sh\\ncase $1 in -m) echo riscv64;; *) echo Linux;; esac\\n'"
    debian.exec("sh", "-c", f"{fake} >/usr/local/bin/uname; chmod 755 /usr/local/bin/uname")
    try:
        done = lab.plain("pipe", "--init", debian.address, "/srv/data/tree")
    finally:
        debian.exec("rm", "/usr/local/bin/uname")
    assert_error(done, 38, "riscv64")
    for way in ("--client-borg", "architecture", "sshfs"):
        assert way in done.stderr


def test_a_runtime_that_is_kept(lab: Lab, debian: Client) -> None:
    def pull(*options: str) -> dict[str, Any]:
        words = ("--name", "kept", *options)
        data: dict[str, Any] = lab.pull("pipe", debian, "/srv/data/tree", *words)["data"]
        return data

    def runtime() -> dict[str, str]:
        lines = [line.split() for line in ours(debian) if "/runtime/" in line]
        return {words[0]: " ".join(words[1:]) for words in lines}

    pull("--keep-runtime")
    first = runtime()
    assert len(first) > 100
    assert pull("--keep-runtime")["files_read"] == 0
    assert runtime() == first

    (program,) = (name for name in first if name.endswith("/runtime/borg"))
    trap = f"printf '#!/bin/sh\\ntouch /tmp/PWNED\\n' >{program}"
    debian.exec("sh", "-c", trap)
    assert pull("--keep-runtime")["files_read"] == 0
    again = runtime()
    assert set(again) == set(first)
    assert again[program] != first[program]
    # Another manifest for it is of no use: what it should say is known here.
    manifest = f"cd {program.removesuffix('/borg')}; sha256sum borg >MANIFEST"
    debian.exec("sh", "-c", f"{trap}; {manifest}")
    assert pull()["files_read"] == 0
    assert debian.exec("sh", "-c", "ls -d /tmp/PWNED || true") == ""
    assert ours(debian) == []


# --- another user -----------------------------------------------------------------------------


def test_a_user_who_is_not_root(lab: Lab, installed: Client) -> None:
    words = ("--init", "--name", "alice", f"alice@{installed.name}")
    assert_error(lab.plain("pipe", *words, "/srv/data/mixed"), 61, "/srv/data/mixed/secret")
    done = lab.plain("pipe", "--json", *words, "/srv/data/tree")
    assert done.rc == 0, done.stderr
    assert names(lab, "alice", done.result["data"]) == TREE

    sudo = ("pipe", "--sudo", "--json", *words, "/srv/data/mixed")
    done = lab.plain(*[word for word in sudo if word != "--json"])
    assert_error(done, 39, "refuses alice")
    line = done.stderr.rpartition("as good as root): ")[2].strip()
    assert line == "alice ALL=(root) NOPASSWD: /bin/sh, /usr/bin/sh"
    installed.exec("sh", "-c", 'umask 227; echo "$1" >/etc/sudoers.d/borgpull', "sh", line)
    try:
        done = lab.plain(*sudo)
    finally:
        installed.exec("rm", "/etc/sudoers.d/borgpull")
    assert done.rc == 0, done.stderr
    assert "srv/data/mixed/secret" in names(lab, "alice", done.result["data"])
    archive = done.result["data"]["archive"]
    extract = ("extract", "--stdout", f"::{archive}", "srv/data/mixed/secret")
    assert lab.borg("alice", *extract) == "secret\n"
    assert ours(installed) == []
    for method in ("socat", "agent"):
        assert_error(lab.plain(method, "--sudo", *words, "/srv/data/mixed"), 2)


def test_a_profile_that_prints(lab: Lab, installed: Client) -> None:
    """bash reads ~/.bashrc when sshd starts it; what it prints may look like anything."""
    installed.exec("usermod", "--shell", "/bin/bash", "root")
    noise = "echo 'welcome to'; hostname; echo {; echo }; echo borgpull-folder /tmp; printf no-end"
    installed.exec("sh", "-c", f'echo "{noise}" | tee /root/.bashrc /root/.profile')
    try:
        for number, method in enumerate(("pipe", "forward")):
            data = lab.pull(method, installed, "/srv/data/tree", "--name", "chatty")["data"]
            assert data["files_read"] == (0 if number else 2)
            assert names(lab, "chatty", data) == TREE
    finally:
        installed.exec("rm", "/root/.bashrc", "/root/.profile")
        installed.exec("usermod", "--shell", "/bin/sh", "root")
    assert ours(installed) == []


def test_files_that_another_user_has_left_here(lab: Lab, installed: Client) -> None:
    words = ("--init", "--name", "mixed", installed.address, "/srv/data/tree")
    assert lab.plain("pipe", *words).rc == 0
    cache = lab.state / "clients/mixed/client-cache.tar"
    os.chown(cache, 0, 0)
    done = lab.plain("pipe", *words)
    assert_error(done, 44, "user 1000 may not use /state/clients/mixed/client-cache.tar, which is")
    os.chown(cache, 1000, 1000)
    folder = lab.repo / "mixed/data/0"
    os.chown(folder, 0, 0)
    folder.chmod(0o755)
    assert_error(lab.plain("pipe", *words), 44, "Permission denied: '/repo/mixed/data/0/")


MARK = b"borgpull-begin\n"


def cache_members(saved: bytes) -> list[tarfile.TarInfo]:
    """What is in the client's cache as it was saved; its tar comes after a line."""
    with tarfile.open(fileobj=io.BytesIO(saved[saved.index(MARK) + len(MARK) :])) as tar:
        return tar.getmembers()


def cache_sizes(saved: bytes) -> dict[str, int]:
    return {item.name: item.size for item in cache_members(saved)}


@pytest.mark.parametrize("image", ["borgpull-client", "borgpull-busybox-client"])
def test_a_cache_that_does_not_arrive_whole(lab: Lab, image: str) -> None:
    """As where the connection breaks: cut in borg's index, and between two files."""
    client = lab.client(image, SEED="0", installed=True)
    name = image.removeprefix("borgpull-")
    words = ("--init", "--json", "--name", name, client.address, "/etc")
    assert lab.plain("pipe", *words).rc == 0
    saved = lab.state / f"clients/{name}/client-cache.tar"
    whole = saved.read_bytes()
    first = cache_sizes(whole)
    index = next(item for item in cache_members(whole) if item.name.endswith("/chunks"))
    for cut in (index.offset_data + index.size // 2, index.offset):
        saved.write_bytes(whole[: whole.index(MARK) + len(MARK) + cut])
        done = lab.plain("pipe", *words)
        assert done.rc == 0, done.stdout[-2000:] + done.stderr
        # By then it is a whole one again, with all files that are known.
        again = cache_sizes(saved.read_bytes())
        assert again.items() >= first.items(), again.keys() ^ first.keys()


# --- another way ------------------------------------------------------------------------------


def test_through_another_machine(lab: Lab, installed: Client, borg12: Client) -> None:
    words = ("--name", "via", "--via", f"root@{borg12.name}", installed.address, "/srv/data/tree")
    done = lab.plain("pipe", "--json", "--init", *words)
    assert done.rc == 0, done.stderr
    assert names(lab, "via", done.result["data"]) == TREE
    log = installed.log()
    assert f"from {borg12.ip()} port" in log.rpartition("Accepted publickey for root")[2]
    assert_error(lab.plain("agent", *words), 2, "--via")
    named = ("--connect-back", "sidecar:2222")
    done = lab.plain("agent", *words, *named, options=["--network-alias", "sidecar"])
    assert done.rc == 0, done.stderr


def test_a_named_way_back(lab: Lab, installed: Client) -> None:
    words = ("--name", "named", "--init", installed.address, "/srv/data/tree", "--connect-back")
    alias = ["--network-alias", "sidecar"]
    done = lab.plain("agent", *words, "sidecar:2222", options=alias)
    assert done.rc == 0, done.stderr
    for wrong in ("nowhere.invalid:2222", f"{installed.name}:22"):
        assert_error(lab.plain("agent", *words, wrong, options=alias), 70)
    assert_error(lab.plain("agent", *words, "sidecar"), 12)


def test_paths_of_any_bytes(lab: Lab, installed: Client) -> None:
    above = """/srv/data/two  words\n$HOME "q" '\\ é"""
    installed.exec("sh", "-c", r"""mkdir "$1"; cd "$1"; echo x >"$(printf '\377')" """, "sh", above)
    data = lab.pull("pipe", installed, above, "--name", "bytes")["data"]
    assert names(lab, "bytes", data) == {above[1:], f"{above[1:]}/?"}  # borg prints it so
    # Named itself, it would be a part of borg's command line, which borg could not keep.
    script = rf"exec borgpull pipe --name bytes {installed.address} /srv/$(printf '\377')"
    done = lab.plain("-c", script, options=["--entrypoint", "sh"])
    assert_error(done, 2, "UTF-8")
    done = lab.plain("pipe", "--name", "bytes", installed.address, "/srv/data/tree", "/no such")
    assert_error(done, 36, "/no such")


def test_the_server_itself_is_a_client(lab: Lab) -> None:
    """Its root sees our ssh in the container, whose command line has our folder's name."""
    options = ("--pid", "host", "--cap-add", "SYS_PTRACE")  # as root of a whole machine
    client = small_tree(lab.client(SEED="0", installed=True, options=options))
    data = lab.pull("pipe", client, "/srv/data/tree")["data"]
    assert names(lab, client.name, data) == TREE
