"""The ssh configuration of a run, as ssh reads it; and what is taken over from the user's own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from borgpull.addresses import Target
from borgpull.cli.options import Where
from borgpull.cli.places import places
from borgpull.cli.userconfig import Way, resolve
from borgpull.errors import ConfigError, InvalidHost, UsageError
from borgpull.jobs import Access, Backup, from_json, to_json
from borgpull.launchers import container
from borgpull.places import Places, certificate_of
from borgpull.ssh import config, keys, machine, options, route
from borgpull.ssh.config import has_aes

X86 = "processor\t: 0\nmodel name\t: an aes in a name\nflags\t\t: fpu {} sse2\n"
ARM = "processor\t: 0\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd {} crc32\n"


@pytest.mark.parametrize("text", [X86, ARM])
def test_a_processor_with_aes(text: str) -> None:
    assert has_aes(text.format("aes"))
    assert not has_aes(text.format("vaes"))
    assert not has_aes("")


def keygen(path: Path, *words: str, passphrase: str = "") -> Path:
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, *words, "-f", str(path)]
    subprocess.run(argv, check=True, timeout=30)
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return keygen(tmp_path / "key")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The private folder of a run."""
    folder = tmp_path / "run"
    folder.mkdir(0o700)
    return folder


def effective(path: Path, host: str = config.ALIAS) -> dict[str, str]:
    """What ssh makes of a configuration."""
    argv = ["ssh", "-G", "-F", str(path), host]
    out = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30).stdout
    return {name: value for name, _, value in (line.partition(" ") for line in out.splitlines())}


# --- D19: keys ------------------------------------------------------------------------------------


def test_a_certificate_goes_along(key: Path, run: Path) -> None:
    authority = keygen(key.with_name("ca"))
    sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "x", "-n", "root", f"{key}.pub"]
    subprocess.run(sign, check=True, timeout=30)
    config.write(run, Target(host="web1"), Places(ssh_key=str(key)))
    copy = Path(effective(run / "ssh_config")["identityfile"])
    assert copy.read_bytes() == key.read_bytes()
    assert copy.stat().st_mode & 0o777 == 0o600
    own = Path(certificate_of(str(copy)))
    assert own.read_bytes() == Path(certificate_of(str(key))).read_bytes()
    access = Access(target=Target(host="web1"))
    job = Backup(verb="pipe", places=Places(ssh_key=str(key)), access=access)
    mounted = dict(container.secrets(job))
    assert mounted[certificate_of(str(key))] == "/run/secrets/ssh_key-cert.pub"


PEM = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"


def test_a_key_with_a_passphrase(tmp_path: Path, run: Path) -> None:
    locked = keygen(tmp_path / "locked", passphrase="hunter2")
    with pytest.raises(ConfigError, match="has a passphrase") as found:
        config.write(run, Target(host="web1"), Places(ssh_key=str(locked)))
    assert "ssh-agent" in found.value.hint
    assert not list(run.iterdir())
    assert keys.has_passphrase(PEM.encode())
    assert keys.has_passphrase(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    for odd in (b"", b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAA\n-----END", b"PRIVATE KEY"):
        assert not keys.has_passphrase(odd)


def test_the_hosts_command_takes_the_agent_for_a_usual_key_with_a_passphrase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    locked = keygen(tmp_path / ".ssh/id_ed25519", passphrase="hunter2")
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    assert places(Where()).ssh_key == str(locked)
    monkeypatch.setenv("SSH_AUTH_SOCK", "/agent")
    assert places(Where()).ssh_key == ""
    assert places(Where(ssh_key=str(locked))).ssh_key == str(locked)
    assert places(Where(ssh_key="")).ssh_key == ""


# --- D19: users, zones, jump hosts ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "user", "host"),
    [
        (r"CORP\backup@web1", r"CORP\backup", "web1"),
        ("backup@corp.example@web1", "backup@corp.example", "web1"),
        ("root@[fe80::1%eth0]:2222", "root", "fe80::1%eth0"),
        ("CORP+host$@web1", "CORP+host$", "web1"),
    ],
)
def test_as_whom_and_where_ssh_logs_in(address: str, user: str, host: str, run: Path) -> None:
    target = Target.parse(address)
    config.write(run, target, Places())
    found = effective(run / "ssh_config")
    assert (found["user"], found["hostname"], found["port"]) == (user, host, str(target.port))
    assert Target.parse(str(target)) == target


def test_a_jump_host_with_a_key_of_its_own(key: Path, run: Path) -> None:
    other = keygen(key.with_name("other"))
    gate = Target(host="gate", user="jump", port=2200)
    for via_key, name in ((str(other), "via_key"), ("", "ssh_key")):
        places = Places(ssh_key=str(key), via_key=via_key)
        config.write(run, Target(host="web1"), places, via=gate)
        assert effective(run / "ssh_config")["identityfile"] == str(run / "ssh_key")
        jump = effective(run / "ssh_config", config.VIA)
        assert (jump["user"], jump["hostname"], jump["port"]) == ("jump", "gate", "2200")
        assert jump["identityfile"] == str(run / name)
        assert jump["stricthostkeychecking"] == "true"


# --- D19: --ssh-option ----------------------------------------------------------------------------


def test_options_of_the_user_are_for_the_client_alone(run: Path) -> None:
    words = ["kexalgorithms=+diffie-hellman-group14-sha1", "ConnectTimeout=61"]
    access = Access(
        target=Target(host="web1"),
        via=Target(host="gate"),
        ssh_options=tuple(options.check(word) for word in words),
    )
    job = from_json(to_json(Backup(verb="pipe", places=Places(state=str(run)), access=access)))
    assert isinstance(job, Backup)
    route.to_client(job.access, job.places, "", run)
    found, jump = (effective(run / "ssh_config", name) for name in (config.ALIAS, config.VIA))
    assert found["kexalgorithms"].endswith(",diffie-hellman-group14-sha1")
    assert (found["connecttimeout"], jump["connecttimeout"]) == ("61", "20")
    assert "group14-sha1" not in jump["kexalgorithms"]
    assert found["stricthostkeychecking"] == "true"


@pytest.mark.parametrize(
    "word",
    [
        *("StrictHostKeyChecking=no", "UserKnownHostsFile=/x", "ProxyCommand=id", "Port", ""),
        *("KnownHostsCommand=id", "HostKeyAlias=x", "Include=/x", "KexAlgorithms", "Ciphers="),
        *(
            "CheckHostIP=no",
            "Ciphers=a\nProxyCommand=id",
            'Ciphers="a',
            "Ciphers=a b",
            "Hostname=x",
        ),
        *(
            "VerifyHostKeyDNS=yes",
            "NoHostAuthenticationForLocalhost=yes",
            "CASignatureAlgorithms=x",
        ),
    ],
)
def test_what_is_no_option(word: str) -> None:
    with pytest.raises(UsageError, match="--ssh-option"):
        options.check(word)


def test_ssh_is_asked_for_values_before_it_connects(run: Path) -> None:
    with pytest.raises(UsageError, match="nonsense"):
        config.write(run, Target(host="web1"), Places(), ssh_options=["KexAlgorithms=nonsense"])


# --- C16: the cipher ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("here", "there", "wanted"),
    [
        (True, None, True),
        (True, True, True),
        (True, False, False),
        (False, True, False),
    ],
)
def test_the_cipher_is_chosen_by_both_processors(
    here: bool, there: bool | None, wanted: bool, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "_own_cpuinfo", lambda: X86.format("aes" if here else ""))
    places = Places(state=str(run))
    access = Access(target=Target(host="web1"))
    job = Backup(verb="pipe", client="web1", access=access, places=places)
    (run / "clients/web1").mkdir(parents=True)
    first = run / "first"
    first.mkdir()
    (first / config.USED_KEY).write_text("ssh-ed25519 SHA256:a\n")
    machine.saw_aes(first, there)
    machine.remember(job, first)  # the next run knows
    later = run / "later"
    later.mkdir()
    route.to_client(access, places, "web1", later)
    assert begins_with_aes(later) == wanted
    # Of which nothing is known.
    route.to_client(Access(target=Target(host="web2")), places, "web1", later)
    assert begins_with_aes(later) == here


def begins_with_aes(folder: Path) -> bool:
    return effective(folder / "ssh_config")["ciphers"].startswith("aes128-gcm@openssh.com")


# --- D19: the user's ~/.ssh/config ----------------------------------------------------------------

USERS = """
Host web1
  HostName 10.0.0.5
  User alice
  Port 2201
  IdentityFile {key}
  ProxyJump gate
Host gate
  HostName gate.example.org
  User jump
  IdentityFile /no/such
  IdentityFile {key}.other
Host far
  ProxyJump a,b
Host farther
  ProxyJump web1
Host odd
  HostName -oProxyCommand=id
Host own
  ProxyCommand nc %h %p
"""


@pytest.fixture
def users(key: Path) -> Path:
    keygen(key.with_name("key.other"))
    path = key.with_name("users_config")
    path.write_text(USERS.format(key=key))
    return path


def test_what_the_users_config_says(users: Path, key: Path) -> None:
    gate = Target(host="gate.example.org", user="jump")
    other = f"{key}.other"
    target = Target(host="10.0.0.5", user="alice", port=2201)
    way = Way(target=target, via=gate, key=str(key), via_key=other)
    assert resolve("web1", config=users) == way
    assert resolve("web1", "", config=users) == Way(target=target, key=str(key))
    given = resolve("root@web1:22", "x@gate:2", config=users)
    assert given.target == Target(host="10.0.0.5")
    assert given.via == Target(host="gate.example.org", user="x", port=2)
    for plain in ("db1", "own", "[fe80::1%eth0]"):
        assert resolve(plain, config=users) == Way(target=Target.parse(plain))


def test_an_identity_that_the_agent_holds(
    users: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has a passphrase, or only its public half is named."""
    monkeypatch.setenv("SSH_AUTH_SOCK", "/agent")
    assert resolve("web1", "", config=users).key == str(key)
    for content in (Path(f"{key}.pub").read_text(), PEM):
        key.write_text(content)
        assert resolve("web1", "", config=users).key == ""
    monkeypatch.delenv("SSH_AUTH_SOCK")
    assert resolve("web1", "", config=users).key == str(key)


def test_several_jump_hosts(users: Path) -> None:
    for name in ("far", "farther"):
        with pytest.raises(UsageError, match="several jump hosts"):
            resolve(name, config=users)
    with pytest.raises(InvalidHost):
        resolve("odd", config=users)
    users.write_text("Nonsense yes\n")
    with pytest.raises(ConfigError, match="cannot read"):
        resolve("web1", config=users)


def test_a_container_has_no_such_file(users: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BORGPULL_SIDECAR", "1")
    assert resolve("web1", config=users) == Way(target=Target(host="web1"))
    with pytest.raises(UsageError, match="several jump hosts"):
        resolve("web1", "a,b", config=users)
