"""Names and labels that a cluster accepts, made of names that it may not."""

from __future__ import annotations

import hashlib
import re

# A CronJob adds 11 characters for its Jobs, whose names are labels too (at most 63).
CRON_JOB_LENGTH = 52
LABEL_LENGTH = 63
_HASH_LENGTH = 12
# Of most objects: labels with dots between them.
OBJECT = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def dns_name(text: str, length: int = LABEL_LENGTH) -> str:
    """The text as a DNS label of at most `length` characters.

    It has a hash of the text in it if it is not the text itself. So two texts have two names.
    """
    plain = re.sub(r"[^a-z0-9-]", "-", text.lower()).strip("-")
    if plain == text and len(plain) <= length:
        return plain
    return _hashed(text, plain, length)


def object_name(text: str) -> str:
    """The text as the name of a Secret or a claim, in which dots may be; else as `dns_name`."""
    return text if OBJECT.fullmatch(text) and len(text) <= LABEL_LENGTH else dns_name(text)


def label(text: str) -> str:
    """The text as the value of a label: itself if it may be, else with a hash."""
    if _LABEL.fullmatch(text):
        return text
    return _hashed(text, re.sub(r"[^A-Za-z0-9._-]", "-", text).strip("._-"), LABEL_LENGTH)


def _hashed(text: str, plain: str, length: int) -> str:
    mark = hashlib.sha256(text.encode()).hexdigest()[:_HASH_LENGTH]
    stem = plain[: length - _HASH_LENGTH - 1].rstrip("._-")
    return f"{stem}-{mark}" if stem else f"x-{mark}"
