"""The user's checks, as they are written: `NAME=COMMAND`, or a file of YAML."""

from __future__ import annotations

from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from borgpull.errors import ConfigError, UsageError
from borgpull.jobs import DrillCheck
from borgpull.jobs.wire import read as read_object

_USUAL = {field.name: field.default for field in fields(DrillCheck) if field.default is not MISSING}


def read(word: str) -> list[DrillCheck]:
    """The check `NAME=COMMAND`, or those of a file: a list of objects with DrillCheck's fields.

    Raises UsageError, ConfigError.
    """
    if (single := named(word)) is not None:
        return [single]
    return _parsed(_text(word), word)


def text_for_a_container(file: str) -> str:
    """The text of a file whose checks can all run where no other container can be started.

    Raises UsageError, ConfigError.
    """
    found = _text(file)
    for check in _parsed(found, file):
        if check.image is not None:
            raise UsageError(
                f"{file}: the check {check.name!r} has an image, and what is rendered can start no"
                " other container",
                hint="write it without `image`, or run `borgpull drill` on a host by cron",
            )
    return found


def _text(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is no YAML: {error}") from None


def _parsed(text: str, file: str) -> list[DrillCheck]:
    import yaml

    try:
        found: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"{file} is no YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(found, list):
        raise UsageError(f"{file} is no list of checks", hint="docs/drills.md shows one")
    if not found:
        raise UsageError(f"{file} has no check")
    return [_check(one, file) for one in found]


def named(word: str) -> DrillCheck | None:
    """The check `NAME=COMMAND`; None for the name of a file."""
    name, equals, command = word.partition("=")
    return DrillCheck(name=name, run=command) if equals and "/" not in name else None


def _check(data: Any, name: str) -> DrillCheck:
    """A wrong key is an error: else a misspelt `output` would be a check that never fails."""
    if not isinstance(data, dict):
        raise UsageError(f"{name}: {data!r} is no check")
    try:
        return read_object(DrillCheck, {**_USUAL, **data}, f"check {data.get('name', '')}")
    except UsageError as error:
        raise UsageError(f"{name}: {error.message.removeprefix('not a job: ')}") from None
