"""Who logs in, and how: refusals in the client's own words, keys, users, jump hosts, user ids.

One client plays many parts: beside its own sshd it has one with PAM and odd users at port 2222, and
an old device at 2223.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from borgpull.ssh.config import has_aes
from tests.docker.test_errors import assert_error
from tests.support.lab import PLAIN, Client, Completed, Lab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
INSTALLED = True  # clients have borg: how it gets there is tested elsewhere

# As on a NAS: no such user is in the image.
UID = 1026
ANYBODY = ("--user", f"{UID}:100")
IPV6 = [
    word
    for name in ("all", "default")
    for word in ("--sysctl", f"net.ipv6.conf.{name}.disable_ipv6=0")
]
CLOUD = 'Please login as the user \\"ubuntu\\" rather than the user \\"root\\".'
SETUP = r"""
set -e
cd /etc/ssh/authorized_keys
for user in cloud nologin expired twice cert; do
  useradd --create-home --shell /bin/sh $user; usermod --password '*' $user; cp root $user
done
usermod --shell /usr/sbin/nologin nologin
chage --lastday 0 expired
printf 'CORP\\backup:*:4720:4720::/tmp:/bin/sh\n' >>/etc/passwd
echo "command=\"echo 'CLOUD'; exit 142\" $(cat root)" >cloud
rm cert
cp /ca.pub /run/ca.pub; chown root /run/ca.pub
own() { sed "s/^Port .*/Port $1/; s/^PidFile .*/PidFile none/; $2" /run/sshd_config; }
{ own 2222 's/^PermitRootLogin .*/PermitRootLogin no/; s/^UsePAM.*/UsePAM yes/'
  printf '%s\n' 'TrustedUserCAKeys /run/ca.pub' \
    'Match User twice' 'AuthenticationMethods publickey,keyboard-interactive' \
    'KbdInteractiveAuthentication yes' \
    'Match User CORP*' 'AuthorizedKeysFile /etc/ssh/authorized_keys/root'; } >/run/odd
{ echo 'KexAlgorithms diffie-hellman-group14-sha1'; own 2223 ''; } >/run/old
for name in odd old; do /usr/sbin/sshd -f /run/$name -E /run/$name.log; done
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("access") / "lab", owner=UID, installed=True) as made:
        yield made


def keygen(path: Path, passphrase: str = "") -> Path:
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path)]
    subprocess.run(argv, check=True, timeout=30)
    return path


def readable(path: Path) -> str:
    """For the user of the sidecar, as a mounted secret is."""
    path.chmod(0o644)
    return f"{path}"


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    authority = keygen(lab.folder / "ca")
    options = ("-v", f"{authority}.pub:/ca.pub:ro", *IPV6)
    made = lab.client(SEED="0", options=options)
    made.exec("sh", "-c", SETUP.replace("CLOUD", CLOUD.replace("\\", "\\\\\\")))
    made.exec("sh", "-c", "mkdir /srv/data/tree; echo a >/srv/data/tree/a")
    for port in (2222, 2223):  # they go into the background before they listen
        made.await_sshd(port)
    lab.pin(made.name, made.ip(), 2222)
    assert run(lab, "init", "c").rc == 0
    return made


def run(lab: Lab, *words: str, options: tuple[str, ...] = (), **more: Any) -> Completed:
    return lab.plain(*words, options=[*ANYBODY, *options], **more)


def pipe(lab: Lab, address: str, *words: str, options: tuple[str, ...] = ()) -> Completed:
    common = ("pipe", "--name", "c", *words, address, "/srv/data/tree")
    return run(lab, *common, options=options)


# --- D18: the client's own words --------------------------------------------------------------


def test_the_clients_own_words_by_each_method(lab: Lab, client: Client) -> None:
    users = ("cloud", "nologin", "expired")
    cloud, nologin, expired = (f"{user}@{client.name}:2222" for user in users)
    by_pipe = pipe(lab, cloud)
    by_sshfs = lab.sidecar("sshfs", "--init", "--name", "c", cloud, "/srv/data/tree")
    for done, code in ((by_pipe, 38), (by_sshfs, 35)):
        assert_error(done, code, 'login as the user "ubuntu"')
        assert "log in as ubuntu@" in done.stderr
    done = lab.sidecar("sshfs", "--init", "--name", "c", expired, "/srv/data/tree")
    assert_error(done, 35, "Your password has expired")
    assert "chage -M -1" in done.stderr
    done = pipe(lab, nologin)
    assert_error(done, 38, "This account is currently not available.")
    assert "usermod --shell /bin/sh nologin" in done.stderr
    done = lab.sidecar("doctor", "--json", f"cloud@{client.name}:2222")
    checks = {item["name"]: item for item in done.result["data"]["checks"]}
    assert done.rc == 53
    for name in ("login and sftp", "shell", "methods"):
        assert 'login as the user "ubuntu"' in checks[name]["text"]
    assert checks["methods"]["ok"] is False


def test_a_second_factor_and_a_root_that_may_not(lab: Lab, client: Client) -> None:
    done = pipe(lab, f"twice@{client.name}:2222")
    assert_error(done, 32, "accepts our ssh key, and wants a second factor", "keyboard-interactive")
    done = lab.sidecar("sshfs", "--init", "--name", "c", f"{client.address}:2222", "/srv")
    assert_error(done, 32, "refuses our ssh key")
    assert "PermitRootLogin" in done.stderr


# --- D19: keys, users, options, ways ----------------------------------------------------------


def test_a_certificate_beside_the_key(lab: Lab, client: Client) -> None:
    key = keygen(lab.folder / "signed")
    sign = ["ssh-keygen", "-q", "-s", str(lab.folder / "ca"), "-I", "x", "-n", "cert"]
    subprocess.run([*sign, f"{key}.pub"], check=True, timeout=30)
    mounts = ["-v", f"{readable(key)}:/k/key:ro", "-e", "BORGPULL_SSH_KEY=/k/key"]
    mounts += ["-v", f"{key}-cert.pub:/k/key-cert.pub:ro"]
    done = pipe(lab, f"cert@{client.name}:2222", "--dry-run", options=(*mounts,))
    assert done.rc == 0, done.stderr
    assert "ED25519-CERT" in client.exec("cat", "/run/odd.log")


def test_a_user_of_active_directory_by_a_zone_of_ipv6(lab: Lab, client: Client) -> None:
    """Within the client's own network, as link-local addresses are of one link only."""
    lines = client.exec("cat", "/proc/net/if_inet6").splitlines()
    (number,) = (line.split()[0] for line in lines if line.startswith("fe80"))
    local = ":".join(number[at : at + 4] for at in range(0, 32, 4))
    address = rf"CORP\backup@[{local}%eth0]:2222"
    words = ("pipe", "--dry-run", "--name", "c", address, "/srv/data/tree")
    for run_number, args in enumerate((("trust", "--yes", address), words)):
        argv = lab.command(
            *args,
            rung="none",
            options=[*PLAIN, *ANYBODY],
            passphrase=lab.passphrase,
            name=f"within{run_number}-{lab.id}",
        )
        argv[argv.index(lab.network)] = f"container:{client.name}"
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr


def test_an_old_device(lab: Lab, client: Client) -> None:
    address = f"{client.address}:2223"
    option = "KexAlgorithms=+diffie-hellman-group14-sha1"
    assert run(lab, "trust", "--yes", "--ssh-option", option, address).rc == 0
    done = pipe(lab, address, "--dry-run")
    assert_error(done, 74, "no key exchange method in common")
    assert f"--ssh-option {option}" in done.stderr
    done = pipe(lab, address, "--dry-run", "--ssh-option", option)
    assert done.rc == 0, done.stderr


def test_through_a_machine_with_a_key_of_its_own(lab: Lab, client: Client) -> None:
    gate, other = made = jump_host(lab)
    known = lab.state / "known_hosts"
    pinned = known.read_text()
    lines = [line for line in pinned.splitlines() if not line.startswith(f"{client.name} ")]
    known.write_text("\n".join(lines) + "\n")
    via = ("--via", gate.address)
    refused = pipe(lab, client.address, *via)
    assert_error(refused, 32, f"the jump host {gate.address} refuses our ssh key")
    options = ("-v", f"{readable(other)}:/run/secrets/via_key:ro")
    done = pipe(lab, client.address, *via, options=options)
    assert_error(done, 30, client.name)
    assert f"borgpull trust --via {gate.address} {client.address}" in done.stderr
    assert run(lab, "trust", "--yes", *via, client.address, options=options).rc == 0
    assert sorted(known.read_text().splitlines()) == sorted(pinned.splitlines())
    done = lab.sidecar(
        "sshfs", "--init", "--name", "root", *via, client.address, "/srv/data/tree", options=options
    )
    assert done.rc == 0, done.stderr
    by_the_users_config(lab, client, *made)
    for name in ("web1", "root"):  # C16: what pipe and sshfs have seen there, for the next run
        seen = json.loads((lab.state / f"clients/{name}/machine.json").read_text())
        assert seen["aes"] == has_aes(Path("/proc/cpuinfo").read_text())
    done = lab.sidecar("doctor", "--json", *via, client.address, options=options)
    assert done.rc == 0, done.stdout
    from_gate = f"Accepted publickey for root from {gate.ip()} "
    assert client.log().count(from_gate) >= 4


def jump_host(lab: Lab) -> tuple[Client, Path]:
    """It lets in a key of its own only."""
    key = keygen(lab.folder / "jump")
    gate = lab.client(SEED="0")
    script = f"echo '{Path(f'{key}.pub').read_text()}' >/etc/ssh/authorized_keys/root"
    gate.exec("sh", "-c", script)
    return gate, key


def by_the_users_config(lab: Lab, client: Client, gate: Client, key: Path) -> None:
    """The same by the host's own command, which is told of all that by ~/.ssh/config."""
    config = lab.folder / "home/.ssh/config"
    config.parent.mkdir(parents=True)
    config.write_text(f"""
Host web1
  HostName {client.name}
  IdentityFile {lab.key}
  ProxyJump gate
Host gate
  HostName {gate.name}
  User root
  IdentityFile {key}
""")
    argv = lab.host_argv("pipe", "--init", "web1", "/srv/data/tree")
    at = argv.index("--ssh-key")
    argv[at : at + 2] = []
    env = {**os.environ, "HOME": str(lab.folder / "home")}
    done = subprocess.run(argv, capture_output=True, text=True, env=env, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert (lab.repo / "web1/config").exists()


def test_any_user_id(lab: Lab, client: Client) -> None:
    """ssh, ssh-keygen, ssh-add, sshd and borg alike; pipe is tried above."""
    done = run(lab, "agent", "--name", "c", client.address, "/srv/data/tree")
    assert done.rc == 0, done.stderr
    assert "No user exists" not in done.stderr
