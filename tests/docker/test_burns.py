"""docs/restore.md, word for word: a whole Debian comes back on a new machine, and lets users in."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.lab import IMAGE, ROOT, TIMEOUT, Client, Lab, docker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
OWNER = 1000  # of the laboratory: the sidecars are not root

NAME = "web1"  # as the document has it
WAYS = ("stream", "numeric")
NOTES = "/home/alice/notes"
CAPABLE = "/usr/local/bin/capable"
# Not in any backup: mounts without data of the machine's own. The folders themselves are.
MOUNTS = ("proc", "sys", "dev", "run")
# Folders with times of their own: our folder was in /tmp during the backup, sshd's is in /run now,
# and a later restore of one file has looked whether / can be written, and written to /etc. Those of
# mounted kernel file systems are the kernel's: it sets them anew whenever it forgets an inode.
LATER = {f".d..t...... {name}" for name in ("tmp/", "run/", "./", "etc/", "sys/", "proc/")}
# A third of the files, without which it starts as well: the old machine has none, so that each way
# is the shorter. dpkg is told, as of those that the image was built without.
LEFT_OUT = ("usr/share", "usr/lib/systemd")
UNTOLD = r"\#^/?(LEFT_OUT)/.#d; \# (LEFT_OUT)/#d".replace("LEFT_OUT", "|".join(LEFT_OUT))


@dataclass(frozen=True)
class Machine:
    """A new one, on Docker's default bridge, with an empty root at /mnt."""

    client: Client
    ip: str

    def ssh(self, lab: Lab, key: Path, host_key: str, command: str) -> str:
        """A command by alice, at the restored sshd, which must have the old machine's key."""
        known = lab.folder / f"known-{self.client.name}"
        known.write_text(f"[{self.ip}]:2222 {host_key}")
        options = ["BatchMode=yes", "StrictHostKeyChecking=yes", f"UserKnownHostsFile={known}"]
        argv = ["ssh", "-F", "none", "-i", str(key), "-p", "2222"]
        argv += [word for option in options for word in ("-o", option)]
        argv += [f"alice@{self.ip}", command]
        return subprocess.run(
            argv, check=True, timeout=30, stdout=subprocess.PIPE, text=True
        ).stdout


@dataclass(frozen=True)
class Old:
    """The machine that will burn, saved whole, and what its users have."""

    client: Client
    user_key: Path
    host_key: str


@pytest.fixture(scope="module")
def volumes(lab: Lab) -> Iterator[dict[str, str]]:
    """The new roots; the old machine sees them too, to compare."""
    names = {way: f"borgpull-test-{way}-{lab.id}" for way in WAYS}
    for name in names.values():
        docker("volume", "create", "--label", lab.label, name)
    yield names
    mine = docker("ps", "-aq", "--filter", f"label={lab.label}").split()
    docker("rm", "-f", "-v", *mine)
    docker("volume", "rm", *names.values())


@pytest.fixture(scope="module")
def old(lab: Lab, volumes: dict[str, str], rsync: str) -> Old:
    options = ["--tmpfs", "/run"]
    options += [word for way in WAYS for word in ("-v", f"{volumes[way]}:/mnt/{way}")]
    client = lab.client(rsync, options=options, SEED="0")
    user_key = lab.folder / "user_key"
    keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(user_key)]
    subprocess.run(keygen, check=True, timeout=30)
    public = Path(f"{user_key}.pub").read_text().strip()
    script = f"""
        set -e
        ssh-keygen -q -A
        for folder in {" ".join(LEFT_OUT)}; do rm -rf /$folder/*; done
        find /var/cache/apt -type f -delete
        sed -i -E '{UNTOLD}' /var/lib/dpkg/info/*.list /var/lib/dpkg/info/*.md5sums
        mkdir -m 700 /home/alice/.ssh
        echo '{public}' >/home/alice/.ssh/authorized_keys
        echo 'worth keeping' >{NOTES}
        chown -R alice:alice /home/alice
        chown alice:crew {NOTES}
        chmod 640 {NOTES}
        setfattr -n user.origin -v web1 {NOTES}
        cp /bin/true {CAPABLE}
        setcap cap_net_raw+ep {CAPABLE}
    """
    client.exec("sh", "-c", script)
    assert client.exec("dpkg", "--verify") == ""
    lab.pull("pipe", client, "--name", NAME, "--exclude", "mnt/*")
    return Old(client, user_key, client.exec("cat", "/etc/ssh/ssh_host_ed25519_key.pub"))


def machine(lab: Lab, volume: str, image: str = "borgpull-client") -> Machine:
    name = f"new-{volume}"
    options = ["--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined"]
    options += ["-e", "SEED=0", "-e", "SFTP_READONLY=0", "-v", f"{volume}:/mnt"]
    docker("run", "-d", "--name", name, "--label", lab.label, *options, image)
    client = Client(name)
    client.await_sshd(22)
    # A fresh installation: its keys where they always are, and its users have other numbers.
    numbers = "usermod -u 5711 alice; groupmod -g 5711 alice; groupmod -g 5712 crew"
    client.exec("sh", "-c", f"cp /run/sshd-keys/*.pub /etc/ssh; {numbers}")
    return Machine(client, docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", name).strip())


def blocks() -> list[str]:
    """The document's indented blocks, as the shell of this machine gets them."""
    found: list[str] = []
    before, block = "", ""
    for line in [*(ROOT / "docs" / "restore.md").read_text().splitlines(), "end"]:
        if re.match(r" {4,}\S", line):
            block += line.strip() + "\n"
            continue
        if block:
            there = before.rstrip().endswith("on the new machine:")
            found.append(f"there <<'END'\n{block}END\n" if there else block)
            before = block = ""
        before = before + line + "\n" if line else before
    return found


def chosen(*words: str) -> list[str]:
    """The one block that has each of these words in it."""
    found = [[block for block in blocks() if word in block] for word in words]
    assert [len(some) for some in found] == [1] * len(words)
    return [block for (block,) in found]


def server(lab: Lab, name: str) -> Path:
    """What is left of the old one: a folder with a copy of the repository and the passphrase."""
    folder = lab.folder / name
    folder.mkdir()
    shutil.copytree(lab.repo / NAME, folder / "repo" / NAME)
    (folder / "passphrase").write_text(lab.passphrase + "\n")
    return folder


def typed(folder: Path, new: Machine, some: list[str]) -> subprocess.CompletedProcess[str]:
    """Type blocks one after the other; only names are put in. It ends with the first that fails."""
    there = new.client.name
    line = new.client.exec("ssh-keygen", "-lf", "/etc/ssh/ssh_host_ed25519_key.pub")
    (names, key), rest = chosen("client=", "-t ed25519"), some
    copy = f"docker exec -i {there} tee /etc/ssh/authorized_keys/root <ssh_key.pub"
    script = "\n".join([f"there() {{ docker exec -i {there} sh -e; }}", names, key, copy, *rest])
    script = script.replace("192.0.2.7", new.ip).replace("SHA256:…", line.split()[1])
    script = re.sub(r"(?<![\w/])borgpull (?!\$)", f"{IMAGE} ", script)
    argv = ["bash", "-euo", "pipefail", "-c", script]
    return subprocess.run(
        argv, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )


def differences(old: Old, way: str, *flags: str) -> list[str]:
    """What rsync would have to do to the new root."""
    apart = [f"--exclude=/{name}/*" for name in (*MOUNTS, "mnt")]
    words = ["-aHAXn", "--numeric-ids", "--checksum", "--delete", "--itemize-changes"]
    lines = old.client.exec("rsync", *words, *flags, *apart, "/", f"/mnt/{way}/").splitlines()
    return sorted(set(lines) - LATER)


def assert_alive(lab: Lab, old: Old, new: Machine, origin: str) -> None:
    """It lets its user in, by the key of old and with the old host key; no package is damaged."""
    script = (
        f"id -nu; cat {NOTES}; stat -c %u:%g:%a {NOTES}; getfattr -dm- --absolute-names {NOTES}"
    )
    new.client.await_sshd(2222)  # it listens a moment after its command has ended
    said = new.ssh(lab, old.user_key, old.host_key, script).splitlines()
    assert said[:3] == ["alice", "worth keeping", "4711:4712:640"]
    assert [line for line in said[3:] if line and line[0] != "#"] == [origin][: len(origin)]
    assert new.client.exec("chroot", "/mnt", "dpkg", "--verify") == ""
    for name in MOUNTS[:3]:
        assert new.client.exec("sh", "-c", f"umount -lR /mnt/{name}; ls -A /mnt/{name}") == ""


def test_from_nothing(lab: Lab, old: Old, volumes: dict[str, str]) -> None:
    python = "borgpull-borg12-client"
    folder, new = server(lab, "stream"), machine(lab, volumes["stream"], python)
    others = chosen("make image", "--how numeric", "key import", "client=", "-t ed25519")
    done = typed(folder, new, [block for block in blocks() if block not in others])
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert (folder / "out/etc/hosts").read_text() == old.client.exec("cat", "/etc/hosts")
    assert_alive(lab, old, new, 'user.origin="web1"')
    assert differences(old, "stream", "--modify-window=-1") == []


def test_a_new_machine_without_python(lab: Lab, old: Old, volumes: dict[str, str]) -> None:
    """By numbers over sshfs; the key of the repository comes from the copy that was exported."""
    folder, new = server(lab, "numeric"), machine(lab, volumes["numeric"])
    (folder / f"{NAME}.borgkey").write_text(lab.borg(NAME, "key", "export", "::", "-"))
    config = folder / "repo" / NAME / "config"
    config.write_text(re.sub(r"(?m)^key = .*\n(\t.*\n)*", "", config.read_text()))
    words = ("-lf", "bp trust", "key import", "bp list", "--how numeric")
    done = typed(folder, new, chosen(*words))
    assert done.returncode == 80, done.stdout[-3000:] + done.stderr
    assert "not restored: 1 acls; 2 xattrs\n" in done.stderr

    (start,) = chosen("mount --rbind")
    new.client.exec("sh", "-ec", "\n".join(start.splitlines()[1:-1]))
    assert_alive(lab, old, new, "")
    # What this way loses, and no more: ACLs, xattrs, capabilities, and the times of symlinks.
    lost = [line for line in differences(old, "numeric") if line[:12] != ".L..t...... "]
    xattrs = [f".f........x {path[1:]}" for path in (NOTES, CAPABLE)]
    assert lost == [".d.......a. var/log/journal/", *xattrs]
