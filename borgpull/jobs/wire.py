"""Jobs to JSON and back: one object, with the verb as its tag, and every field written.

The types of the dataclasses alone decide how an object is read.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from borgpull.errors import UsageError
from borgpull.jobs.base import Job
from borgpull.jobs.kinds import KINDS

JOB_VERSION = 3

T = TypeVar("T")


def to_json(job: Job) -> str:
    """One line."""
    return json.dumps({"version": JOB_VERSION, **asdict(job)})


def from_json(text: str) -> Job:
    """A job of its verb's kind. Raises UsageError, of one line, for any other text.

    No field may be missing, unknown or of another type.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"not a job: {error}") from None
    if not isinstance(data, dict):
        raise UsageError("not a job: no object")
    if data.pop("version", None) != JOB_VERSION:
        raise UsageError(
            "this job was made by another version of borgpull",
            hint="use the same version of the command and of the image",
        )
    verb = data.get("verb")
    if not isinstance(verb, str) or verb not in KINDS:
        raise UsageError(f"not a job: there is no verb {verb!r}")
    return read(KINDS[verb], data, verb)


def read(kind: type[T], data: object, name: str) -> T:
    """A dataclass from its JSON object. Raises UsageError, which calls the object `name`."""
    if not isinstance(data, dict):
        raise UsageError(f"not a job: {name} is no object")
    assert is_dataclass(kind)
    wanted = {item.name for item in fields(kind)}
    for bad, what in ((wanted - data.keys(), "missing"), (data.keys() - wanted, "unknown")):
        if bad:
            raise UsageError(f"not a job: {name} has {what} {', '.join(map(repr, sorted(bad)))}")
    hints = get_type_hints(kind)
    return kind(**{key: _value(hints[key], data[key], f"{name}.{key}") for key in data})


def _value(hint: Any, data: object, name: str) -> Any:
    """A field of this type: a dataclass, a plain type, `tuple[X, ...]`, or any of these or None."""
    if isinstance(hint, UnionType):
        (other,) = (one for one in get_args(hint) if one is not NoneType)
        return None if data is None else _value(other, data, name)
    if isinstance(hint, type) and is_dataclass(hint):
        return read(hint, data, name)
    if get_origin(hint) is tuple:
        inner, _ = get_args(hint)
        return tuple(_value(inner, item, name) for item in _of(list, data, name))
    return _of(hint, data, name)


def _of(kind: type[T], data: object, name: str) -> T:
    if type(data) is not kind:  # a bool is an int, too
        raise UsageError(f"not a job: {name} is no {kind.__name__}")
    return data
