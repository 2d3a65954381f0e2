"""A private key in a form with which ssh signs at once.

A client may ask whether a server would take a key, or sign without asking (RFC 4252, section 7).
ssh asks if it knows the public half before it loads the key, and that costs a round trip
(OpenSSH's sshconnect2.c, userauth_pubkey). A file of OpenSSH's own form has the public half in the
clear, so ssh knows it (PROTOCOL.key). A PKCS#8 file (RFC 8410, section 7) has none.

OpenSSH reads ed25519 keys in PKCS#8 since 9.6 (its release notes). ssh-keygen does not write them.
"""

from __future__ import annotations

import base64
import binascii

_BEGIN = b"-----BEGIN OPENSSH PRIVATE KEY-----\n"
_END = b"\n-----END OPENSSH PRIVATE KEY-----\n"
# PrivateKeyInfo of RFC 8410 around a seed of 32 bytes: version 0, id-Ed25519, two octet strings.
_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")
_SIZE = 32  # bytes of a seed, and of a public key (RFC 8032)
_BLOCK = 8  # bytes to which the cipher "none" is padded (OpenSSH's cipher.c)


def pkcs8(data: bytes) -> bytes | None:
    """The file of an ed25519 key without passphrase, as PKCS#8; None for every other file.

    A file that is not exactly as ssh-keygen writes it is left to ssh, which says what is wrong.
    The public half is not compared with the seed: ssh works it out from the seed.
    """
    if not (data.startswith(_BEGIN) and data.endswith(_END)):
        return None
    text = data[len(_BEGIN) : -len(_END)].replace(b"\n", b"")
    try:
        body = base64.b64decode(text)
    except binascii.Error:
        return None
    seed = _seed(body)
    if seed is None or base64.b64encode(body) != text:  # b64decode skips other characters
        return None
    lines = [b"-----BEGIN PRIVATE KEY-----", base64.b64encode(_PKCS8 + seed)]
    return b"\n".join([*lines, b"-----END PRIVATE KEY-----", b""])


def _string(data: bytes) -> bytes:
    """As in RFC 4251, section 5."""
    return len(data).to_bytes(4, "big") + data


_TYPE = _string(b"ssh-ed25519")
_HEAD = b"openssh-key-v1\0" + _string(b"none") * 2 + _string(b"") + (1).to_bytes(4, "big")


def _seed(body: bytes) -> bytes | None:
    """Of a body as in PROTOCOL.key. The few parts that vary are cut out, and it is made anew.

    Only a body that is equal to the new one has no other part, and none in another place.
    """
    at = len(_HEAD) + 4 + len(_TYPE) + 4
    public = body[at : at + _SIZE]
    half = _TYPE + _string(public)
    inside = body[at + _SIZE + 4 :]
    check, rest = inside[:4], inside[8 + len(half) + 4 :]
    seed, rest = rest[:_SIZE], rest[2 * _SIZE :]
    comment = rest[4:][: int.from_bytes(rest[:4], "big")]
    made = check * 2 + half + _string(seed + public) + _string(comment)
    made += bytes(range(1, 1 + -len(made) % _BLOCK))
    # ssh takes no comment with a NUL (sshbuf_get_cstring).
    same = b"\0" not in comment and body == _HEAD + _string(half) + _string(made)
    return seed if same else None
