"""The form of a key with which ssh signs at once: which keys get it, and that it is the same."""

from __future__ import annotations

import base64
import shutil
import subprocess
import traceback
from pathlib import Path

import pytest

from borgpull.addresses import Target
from borgpull.errors import ConfigError
from borgpull.places import Places, certificate_of
from borgpull.ssh import config, keys, unprobed
from borgpull.ssh.config import quote

BEGIN, END = (b"-----%s OPENSSH PRIVATE KEY-----\n" % word for word in (b"BEGIN", b"END"))
# RFC 8410, section 10.3: its private key, and the public one of section 10.1.
RFC = b"MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC"
RFC_PUBLIC = "19BF44096984CDFE8541BAC167DC3B96C85086AA30B6B6CB0C5C38AD703166E1"


@pytest.fixture
def image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BORGPULL_SIDECAR", "1")


def keygen(path: Path, *words: str, passphrase: str = "") -> Path:
    kind = () if "-t" in words else ("-t", "ed25519")
    argv = ["ssh-keygen", "-q", *kind, "-N", passphrase, *words, "-f", str(path)]
    subprocess.run(argv, check=True, timeout=60)
    return path


def string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def made(
    seed: bytes = bytes(range(32)),
    public: bytes = bytes(range(32, 64)),
    *,
    comment: bytes = b"backup",
    checks: bytes = b"chekchek",
    cipher: bytes = b"none",
    count: int = 1,
    kind: bytes = b"ssh-ed25519",
    inner: bytes | None = None,
    after: bytes = b"",
) -> bytes:
    """The body of a key's file, written down from PROTOCOL.key."""
    half = string(kind) + string(public)
    secret = checks + (half if inner is None else string(kind) + string(inner))
    secret += string(seed + public) + string(comment)
    secret += bytes(range(1, 1 + -len(secret) % 8))
    head = b"openssh-key-v1\0" + string(cipher) + string(b"none") + string(b"")
    return head + count.to_bytes(4, "big") + string(half) + string(secret) + after


def file(body: bytes) -> bytes:
    text = base64.b64encode(body)
    lines = [text[at : at + 70] + b"\n" for at in range(0, len(text), 70)]
    return BEGIN + b"".join(lines) + END


def body_of(data: bytes) -> bytes:
    return base64.b64decode(data[len(BEGIN) : -len(END)])


def public_of(pem: Path) -> bytes:
    """By OpenSSL: an SubjectPublicKeyInfo ends with the key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    argv = ["openssl", "pkey", "-in", str(pem), "-pubout", "-outform", "DER"]
    return subprocess.run(argv, check=True, capture_output=True, timeout=30).stdout[-32:]


# --- keys that get it -----------------------------------------------------------------------------


@pytest.mark.parametrize("comment", ["", "a", "ab@web1", "é ☃ \t\\ \"'", "x" * 1000])
@pytest.mark.usefixtures("image")
def test_the_copy_is_the_same_key(comment: str, tmp_path: Path) -> None:
    key = keygen(tmp_path / "key", "-C", comment)
    copy = keys.copy(str(key), tmp_path / "copy")
    assert copy is not None
    public = base64.b64decode(key.with_suffix(".pub").read_text().split()[1])
    assert public_of(copy) == public[-32:]
    assert copy.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert copy.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"key", "key.pub", "copy"}


@pytest.mark.usefixtures("image")
def test_each_length_of_padding(tmp_path: Path) -> None:
    for length in range(17):
        body = made(comment=b"c" * length)
        assert unprobed.pkcs8(file(body)) == unprobed.pkcs8(file(made())) is not None
    key = tmp_path / "key"  # copied and pasted without the last newline
    key.write_bytes(file(made())[:-1])
    keys.copy(str(key), tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == unprobed.pkcs8(file(made()))


def test_the_example_of_the_rfc(tmp_path: Path) -> None:
    seed, public = base64.b64decode(RFC)[-32:], bytes.fromhex(RFC_PUBLIC)
    found = unprobed.pkcs8(file(made(seed, public)))
    assert found == b"-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----\n" % RFC
    pem = tmp_path / "pem"
    pem.write_bytes(found)
    assert public_of(pem) == public


@pytest.mark.usefixtures("image")
def test_the_configuration_names_it(tmp_path: Path) -> None:
    """Of the client, and of the jump host."""
    names = ("key", "other")
    key, other = (keygen(tmp_path / name) for name in names)
    places = Places(ssh_key=str(key), via_key=str(other))
    run = tmp_path / "run"
    run.mkdir(0o700)
    config.write(run, Target(host="web1"), places, via=Target(host="gate"))
    for name, source in (("ssh_key", key), ("via_key", other)):
        assert f"IdentityFile {quote(str(run / name))}" in (run / "ssh_config").read_text()
        assert (run / name).read_bytes() == unprobed.pkcs8(source.read_bytes())
    assert {path.name for path in run.iterdir()} == {"ssh_config", "ssh_key", "via_key"}


# --- keys that do not -----------------------------------------------------------------------------


def assert_copied(data: bytes, folder: Path) -> None:
    source, target = folder / "source", folder / "target"
    source.write_bytes(data)
    assert keys.copy(str(source), target) == target
    assert target.read_bytes() == data


@pytest.mark.parametrize(
    "words",
    [
        ("-t", "rsa", "-b", "2048"),
        ("-t", "rsa", "-b", "2048", "-m", "PEM"),
        ("-t", "rsa", "-b", "2048", "-m", "PKCS8"),
        ("-t", "ecdsa"),
        ("-t", "ecdsa", "-m", "PKCS8"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("image")
def test_keys_of_another_kind(words: tuple[str, ...], tmp_path: Path) -> None:
    assert_copied(keygen(tmp_path / "key", *words).read_bytes(), tmp_path)


@pytest.mark.usefixtures("image")
def test_a_key_that_has_it_already(tmp_path: Path) -> None:
    found = unprobed.pkcs8(file(made()))
    assert found is not None
    assert_copied(found, tmp_path)


@pytest.mark.usefixtures("image")
def test_a_key_with_a_certificate(tmp_path: Path) -> None:
    """ssh knows the public half from the certificate, and asks anyway."""
    key, authority = keygen(tmp_path / "key"), keygen(tmp_path / "ca")
    sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "x", "-n", "root", f"{key}.pub"]
    subprocess.run(sign, check=True, timeout=30)
    copy = tmp_path / "copy"
    keys.copy(str(key), copy)
    own = Path(certificate_of(str(copy)))
    assert copy.read_bytes() == key.read_bytes()
    assert own.read_bytes() == Path(certificate_of(str(key))).read_bytes()
    assert [path.stat().st_mode & 0o777 for path in (copy, own)] == [0o600, 0o600]


def test_the_hosts_own_ssh_may_be_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BORGPULL_SIDECAR", raising=False)
    assert_copied(keygen(tmp_path / "key").read_bytes(), tmp_path)


@pytest.mark.usefixtures("image")
def test_a_key_with_a_passphrase(tmp_path: Path) -> None:
    key = keygen(tmp_path / "key", passphrase="hunter2")
    assert unprobed.pkcs8(key.read_bytes()) is None
    with pytest.raises(ConfigError, match="has a passphrase") as found:
        keys.copy(str(key), tmp_path / "copy")
    told = "".join(traceback.format_exception(found.value))
    assert not [line for line in key.read_text().splitlines() if line in told]
    assert not (tmp_path / "copy").exists()


ODD = {
    "two keys": made(count=2),
    "no key": made(count=0),
    "a cipher": made(cipher=b"aes256-ctr"),
    "no cipher": made(cipher=b""),
    "another type": made(kind=b"ssh-ed25518"),
    "a longer type": made(kind=b"ssh-ed25519 "),
    "check numbers that differ": made(checks=b"chekchec"),
    "another public key inside": made(inner=bytes(32)),
    "a longer public key": made(public=bytes(33)),
    "a shorter public key": made(public=bytes(31)),
    "a longer seed": made(seed=bytes(33)),
    "a shorter seed": made(seed=bytes(31)),
    "a NUL in the comment": made(comment=b"a\0b"),
    "a NUL after the comment": made(comment=b"a\0"),
    "bytes after it": made(after=b"\1"),
    "a block after it": made(after=bytes(range(1, 9))),
    "another key after it": made(after=made()),
    "nothing": b"",
    "garbage": bytes(range(256)),
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
def test_what_is_not_exactly_as_ssh_keygen_writes_it(body: bytes) -> None:
    assert unprobed.pkcs8(file(body)) is None


def test_padding_of_a_block_too_much() -> None:
    body = made(comment=b"")
    at = body.index(b"chekchek")
    longer = body[at:] + bytes(range(body[-1] + 1, body[-1] + 9))
    assert unprobed.pkcs8(file(body[: at - 4] + string(longer))) is None


@pytest.mark.usefixtures("image")
def test_a_file_cut_anywhere(tmp_path: Path) -> None:
    data = keygen(tmp_path / "key").read_bytes()
    body = body_of(data)
    assert file(body) == data
    for length in range(len(body)):
        assert unprobed.pkcs8(file(body[:length])) is None
    for length in range(len(data)):
        assert unprobed.pkcs8(data[:length]) is None
    assert_copied(data[:100] + b"\n", tmp_path)


def test_each_byte_changed(tmp_path: Path) -> None:
    """None is taken but in the seed, which may be any, and in the comment."""
    body = body_of(keygen(tmp_path / "key", "-C", "comment").read_bytes())
    seed = body.index(b"\0\0\0\x40") + 4
    comment = body.rindex(b"comment")
    free = {*range(seed, seed + 32), *range(comment, comment + 7)}
    for flip in (1, 0x80, 0xFF):
        for at, byte in enumerate(body):
            changed = file(body[:at] + bytes([byte ^ flip]) + body[at + 1 :])
            assert (unprobed.pkcs8(changed) is not None) == (at in free), at


def test_each_character_changed() -> None:
    """Of the text around it, and for one that base64 does not have."""
    data = file(made())
    for at, char in enumerate(data):
        for other in b"*\r-\0 ":
            changed = data[:at] + bytes([other]) + data[at + 1 :]
            assert char == other or unprobed.pkcs8(changed) is None, at


def test_bits_after_the_last_byte() -> None:
    """base64 that stands for the same bytes, but was not made of them."""
    files = [file(made(comment=b"c" * length)) for length in (0, 8, 16)]
    padded = [data for data in files if b"=\n" in data]
    assert padded
    for data in padded:
        at = data.index(b"=") - 1
        changed = data[:at] + bytes([data[at] + 1]) + data[at + 1 :]
        assert body_of(changed) == body_of(data)
        assert unprobed.pkcs8(changed) is None


@pytest.mark.parametrize(
    "data",
    [
        b"# mine\n" + file(made()),
        file(made()) + b"\n",
        file(made()) * 2,
        file(made()).replace(b"\n", b"\r\n"),
        file(made()).replace(b"OPENSSH ", b""),
        b"PRIVATE KEY\n",
        BEGIN + END,
        BEGIN + b"\n" + END,
        BEGIN + b"\n====\n" + END,
        BEGIN[:-1] + END,
    ],
)
@pytest.mark.usefixtures("image")
def test_what_is_around_it(data: bytes, tmp_path: Path) -> None:
    assert_copied(data, tmp_path)
