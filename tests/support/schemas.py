"""What `--json` prints, held against the schemas in docs/json."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

from borgpull.outputs.lines import EVENTS
from scripts.schemas import COMMON, FOLDER, file_of


def require(line: dict[str, Any], name: str) -> None:
    """A line that the schema of this file allows. Raises AssertionError."""
    event = str(line.get("event", ""))
    name = COMMON if event in EVENTS else name
    wrong = list(_wrong(validator(name, event, line.get("ok")).iter_errors(line)))
    assert not wrong, f"not as in docs/json/{name}: {line}\n" + "\n".join(wrong)


@functools.cache
def validator(name: str, event: str, ok: bool | None) -> Draft202012Validator:
    """Of those forms of a file's lines that can be meant: so that what is wrong can be told."""
    schema = json.loads((FOLDER / name).read_text())
    line = {"event": event, "ok": ok}
    if "anyOf" in schema:
        schema["anyOf"] = [form for form in schema["anyOf"] if _is_meant(form, line)] or [False]
    return Draft202012Validator(schema)


def _is_meant(form: dict[str, Any], line: dict[str, Any]) -> bool:
    keys = form.get("properties")  # none: it refers to another file
    return keys is not None and all(keys[key]["const"] == line[key] for key in line if key in keys)


def _wrong(errors: Iterable[ValidationError]) -> Iterator[str]:
    for error in errors:
        if error.context:
            yield from _wrong(error.context)
        else:
            yield f"{error.json_path}: {error.message}"


def require_all(lines: list[dict[str, Any]]) -> None:
    """All lines of a command. The last line of one that came to its end tells its verb. Of one that
    was killed the items are not looked at.
    """
    last = lines[-1] if lines else {}
    ended = last.get("event") == "result"
    for line in lines:
        if ended or line.get("event") != "item":
            require(line, file_of(str(last["verb"])) if ended else COMMON)
