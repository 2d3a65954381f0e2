"""Turns the messages of a failed ssh, sftp or sshfs into one of our errors."""

from __future__ import annotations

import re

from borgpull import errors
from borgpull.addresses import Target
from borgpull.errors import BorgpullError
from borgpull.ssh import words

# Only this many characters at the end of a client's messages are searched.
READ_CHARS = words.READ_CHARS

# OpenSSH's own wording (sshconnect.c, sshconnect2.c, ssh.c, misc.c), in the order of precedence.
_CHANGED = re.compile(
    r"REMOTE HOST IDENTIFICATION HAS CHANGED|host key .* has changed", re.IGNORECASE
)
_UNKNOWN = re.compile(r"No \S+ host key is known|Host key verification failed", re.IGNORECASE)
_REFUSED = re.compile(
    r"Permission denied \((?P<left>[a-z,-]{0,200})\)|Too many authentication failures"
    r"|no mutual signature (?:algorithm|supported)|No supported authentication methods"
    r"|incorrect passphrase supplied|error in libcrypto|invalid format",
    re.IGNORECASE,
)
_UNREACHABLE = re.compile(
    r"Could not resolve hostname[^\n]*|connect to host [^\n]*|Connection timed out[^\n]*"
    r"|Connection (?:closed|reset) by [^\n]*|kex_exchange_identification[^\n]*"
    r"|Network is unreachable|No route to host|banner exchange[^\n]*",
    re.IGNORECASE,
)
_NO_SFTP = re.compile(
    r"subsystem request failed|Received message too long|subsystem.*not found", re.I
)
# Lines at the level VERBOSE: a login was accepted, or a first factor only.
_ACCEPTED = re.compile(r"^Authenticated to ", re.MULTILINE)
_PARTLY = re.compile(r"^Authenticated [^\n]{0,100}with partial success", re.MULTILINE)
# The login at a jump host; behind it, ssh does not know the address (sshconnect.c: "via proxy").
_AT_JUMP_HOST = re.compile(r"^Authenticated to [^\n]{1,500} \(\[", re.MULTILINE)
# The jump host's message if it cannot reach the client (channels.c, channel_input_open_failure).
_NOT_PASSED_ON = re.compile(r"open failed: (?P<why>[^\n]*)\s+stdio forwarding failed")
_NOTHING_COMMON = re.compile(
    r"Unable to negotiate with [^\n]{0,300}: no matching (?P<what>[a-zA-Z ]{1,30}) found\. "
    r"Their offer: (?P<offer>[^\s,]{1,100})"
)
_OPTION_FOR = {
    "key exchange method": "KexAlgorithms",
    "host key type": "HostKeyAlgorithms",
    "cipher": "Ciphers",
    "MAC": "MACs",
}
_SHORT_KEY = re.compile(r"Bad server host key: Invalid key length|host key [^\n]* is too short")


def from_ssh(
    text: str, target: Target, *, connected: bool = False, via: Target | None = None
) -> BorgpullError:
    """The error for ssh's standard error; `connected` says that a session has worked before.

    A failure of the jump host `via` names that host.
    """
    text, label = text[-READ_CHARS:], str(target)
    if via is not None and not connected:
        passed = _after(_AT_JUMP_HOST, text)
        if passed is None:
            label = f"the jump host {via}"
            found = _host_key(text, via, label) or _login(text, via, label)
            if isinstance(found, errors.NothingInCommon):
                found.hint = "--ssh-option is for the client: the jump host needs a newer sshd"
            return found or _unreachable(text, target, via, label)
        text = passed
    rest = _after(_ACCEPTED, text)
    through = f"--via {via} " if via is not None else ""
    if rest is None:
        found = _host_key(text, target, label, through) or _login(text, target, label)
        if found is not None:
            return found
    if _NO_SFTP.search(text):
        return errors.NoSftp(f"{label} offers no SFTP{words.told(text)}")
    if connected:
        return errors.ConnectionLost(f"the connection to {label} broke")
    if rest is not None:
        return errors.ConnectionLost(
            f"{label} accepts our key, and ends the connection: {words.said(rest) or _last(rest)}",
            hint="look into the log of sshd there (journalctl -u ssh)",
        )
    return _unreachable(text, target, via, label)


def let_in(text: str, via: Target | None = None) -> str | None:
    """The text after the client had accepted our login; None if it did not."""
    beyond = _after(_AT_JUMP_HOST, text) if via is not None else text
    return None if beyond is None else _after(_ACCEPTED, beyond)


def _after(pattern: re.Pattern[str], text: str) -> str | None:
    *_, match = [None, *pattern.finditer(text)]
    return None if match is None else text[match.end() :].partition("\n")[2]


def _host_key(text: str, who: Target, label: str, through: str = "") -> BorgpullError | None:
    """`through` are the words for `borgpull trust` that name the jump host."""
    if _CHANGED.search(text):
        return errors.ChangedHostKey(
            f"the host key of {label} has changed",
            hint=f"another machine, or somebody in between? If it was reinstalled: "
            f"borgpull trust --replace {through}{who}",
        )
    if _UNKNOWN.search(text):
        return errors.UnknownHostKey(
            f"the host key of {label} is not known",
            hint=f"compare the fingerprint on the client, then: borgpull trust {through}{who}",
        )
    return None


def _login(text: str, who: Target, label: str) -> BorgpullError | None:
    """The error if the login was refused, or was not possible; else None."""
    if match := _NOTHING_COMMON.search(text):
        option = _OPTION_FOR.get(match["what"])
        return errors.NothingInCommon(
            f"{label} and this ssh have no {match['what']} in common; it offers {match['offer']}",
            hint=f"for an old device: --ssh-option {option}=+{match['offer']}" if option else None,
        )
    if _SHORT_KEY.search(text):
        return errors.NothingInCommon(
            f"the host key of {label} is shorter than this ssh accepts",
            hint="for an old device: --ssh-option RequiredRSASize=1024",
        )
    match = _REFUSED.search(text)
    if match is None:
        return None
    left = set((match["left"] or "").split(",")) - {""}
    if _PARTLY.search(text) or left == {"keyboard-interactive"}:
        return errors.KeyRefused(
            f"{label} accepts our ssh key, and wants a second factor as well: "
            f"{', '.join(sorted(left)) or 'not said which'}{words.told(text)}",
            hint="nobody is there to type it: let this user in by the key alone (in sshd_config: "
            f"Match User {who.user}, AuthenticationMethods publickey)",
        )
    if left and "publickey" not in left:
        return errors.KeyRefused(
            f"{label} lets nobody in by a key, only by {', '.join(sorted(left))}{words.told(text)}",
            hint="set PubkeyAuthentication yes in its sshd_config",
        )
    return errors.KeyRefused(
        f"{label} refuses our ssh key{words.told(text)}", hint=_hint(text, who)
    )


def _hint(text: str, who: Target) -> str | None:
    if advice := words.advice(words.said(text), who):
        return advice
    if "no mutual signature" in text:
        return "an old sshd: --ssh-option PubkeyAcceptedAlgorithms=+ssh-rsa, or an ed25519 key"
    if who.user != "root":
        return None
    return (
        "put the public key into root's authorized_keys; where its sshd_config has "
        "PermitRootLogin no, log in as another user, with pipe --sudo to read all files"
    )


def _unreachable(text: str, target: Target, via: Target | None, label: str) -> BorgpullError:
    if match := _NOT_PASSED_ON.search(text):
        reason = match["why"].removeprefix("connect failed: ").strip()
        if "prohibited" in reason:
            return errors.ForwardingRefused(
                f"the jump host {via} does not let us through to {target}: {reason}",
                hint="allow AllowTcpForwarding (and PermitOpen) in the jump host's sshd_config",
            )
        return errors.HostUnreachable(
            f"the jump host {via} cannot reach {target}: {reason}",
            hint="give name and port as the jump host sees them, and check that the client is up",
        )
    if match := _UNREACHABLE.search(text):
        reason = match[0].strip().rstrip(".").removeprefix("ssh: ")
        return errors.HostUnreachable(
            f"cannot reach {label}: {reason}{words.told(text)}",
            hint=words.NO_NAME
            if reason.startswith("Could not resolve")
            else words.advice(words.said(text), target),
        )
    return errors.HostUnreachable(f"ssh to {label} failed: {_last(text)}")


def _last(text: str) -> str:
    return next(
        (line.strip() for line in reversed(text.splitlines()) if line.strip()), "no message"
    )
