"""The client's own words among the messages of ssh: a banner, a notice, a refusal.

A login can be accepted and still be turned away: a cloud image wants another user, a password has
expired, an account has no shell. Only the client's words tell which.
"""

from __future__ import annotations

import re

from borgpull.addresses import Target

# Characters of a client's words that are shown, and that are searched.
SHOWN_CHARS = 300
READ_CHARS = 16_384
NO_NAME = (
    "a container reads neither /etc/hosts nor ~/.ssh/config of its host: give the address, and "
    "--name; or take the host's own command, which reads ~/.ssh/config"
)

# Lines of OpenSSH's own (ssh.c, sshconnect.c, sshconnect2.c, packet.c, mux.c, sftp-client.c), which
# are no words of the client. At level VERBOSE, ssh says more, which `diagnose` uses. All patterns
# here are compiled when they are first used: a run that goes well needs none.
_OWN = (
    r"borgpull-|Authenticated (?:to|using|with) |Transferred: |Bytes per second: "
    r"|Warning: Permanently added |ssh: |sftp> |Received message too long"
    r"|Ensure the remote shell produces no output"
    r"|Connection (?:to|closed|reset|timed out)|kex_exchange_identification|Killed by signal"
    r"|channel \d{1,9}: |stdio forwarding failed|client_loop|debug\d: |banner exchange|ssh_dispatch"
    r"|\S{1,300}@\S{1,300}: Permission denied \(|Received disconnect from |Disconnected from "
    r"|Unable to negotiate with |Couldn't read packet|read: Connection|subsystem request failed"
    r"|Host key verification failed|No \S{1,100} host key is known|Could not request |mux_|shell re"
    r"|exec request failed|Read from remote host|packet_write|\*\* WARNING: connection is not using"
    r"|\*\* This session may be|\*\* The server may need|read: |write: |remote host: |Load key "
    r"|sign_and_send_pubkey: |Bad server host key|Could not resolve hostname|KnownHostsCommand |@@"
)


def clean(text: str) -> str:
    """The text in one line, with printable characters only, and not too long."""
    shown = "".join(char if char.isprintable() else " " for char in text[:READ_CHARS])
    words = " ".join(shown.split())
    return words if len(words) <= SHOWN_CHARS else words[:SHOWN_CHARS] + " …"


def last(text: str) -> str:
    """The last line of the text, as `clean` has it."""
    return clean((text.strip().splitlines() or ["no message"])[-1])


def said(*texts: str) -> str:
    """The client's words among the lines of ssh; "" if there are none."""
    lines = [line.strip() for text in texts for line in text[-READ_CHARS:].splitlines()]
    return clean(" ".join(line for line in lines if not re.match(_OWN, line)))


def told(*texts: str) -> str:
    """The client's words, as the end of a message."""
    words = said(*texts)
    return f": {words}" if words else ""


_OTHER_USER = r"log ?in as the user \W?([A-Za-z0-9_][A-Za-z0-9_.-]{0,31})"
_EXPIRED = (
    r"password has expired|password change required|account has expired|password is expired"
    r"|required to change your password"
)
_NO_SHELL = r"account is (?:currently )?not available|not allowed to log ?in|nologin"


def advice(words: str, target: Target) -> str | None:
    """The hint for the client's words; None if they are not known."""
    user, host = target.user, target.host
    if match := re.search(_OTHER_USER, words, re.IGNORECASE):
        return f"log in as {match[1]}@{host}; with --sudo, pipe reads as root all the same"
    if re.search(_EXPIRED, words, re.IGNORECASE):
        return f"renew it there, or let it not expire: passwd {user}, or chage -M -1 -E -1 {user}"
    if re.search(_NO_SHELL, words, re.IGNORECASE):
        return f"give {user} a shell there (usermod --shell /bin/sh {user}), or log in as another"
    return None
