"""JSON Schemas of what `--json` prints, made from the types in borgpull/outputs: docs/json."""

from __future__ import annotations

import ast
import inspect
import json
import sys
from itertools import pairwise
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from borgpull.events import PROTOCOL
from borgpull.outputs.ending import Ending
from borgpull.outputs.hosts import Version
from borgpull.outputs.lines import EVENTS, Done, Failed, Output
from borgpull.outputs.verbs import OUTPUTS
from borgpull.verbs import METHODS

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
COMMON = "events.schema.json"
PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}

Schema = dict[str, Any]


def main() -> None:
    for path in FOLDER.glob("*.json"):
        path.unlink()
    for name, text in files().items():
        (FOLDER / name).write_text(text)


def files() -> dict[str, str]:
    """The text of each file in docs/json, by its name."""
    made = {
        COMMON: common(),
        "version.schema.json": of_one(Version, "What borgpull version --json prints"),
        "ending.schema.json": of_one(Ending, "What the file of --result-file holds"),
    }
    for verb, output in OUTPUTS.items():
        made[file_of(verb)] = of_verb(verb, output)
    return {name: json.dumps(schema, indent=2) + "\n" for name, schema in made.items()}


def file_of(verb: str) -> str:
    """All methods have the same."""
    return f"{'backup' if verb in METHODS else verb}.schema.json"


def common() -> Schema:
    """The schema of a line that any command may print before its last line."""
    defs: dict[str, Schema] = {}
    kinds = [(event, shape) for event, shapes in EVENTS.items() for shape in forms(shapes)]
    lines = [line(event, shape, defs) for event, shape in kinds]
    return document("A line of --json that is no item and no result", any_of(lines), defs)


def of_verb(verb: str, output: Output) -> Schema:
    """Any line of a command."""
    verbs = list(METHODS) if verb in METHODS else [verb]
    defs: dict[str, Schema] = {}
    lines: list[Schema] = [{"$ref": COMMON}]
    lines += [line("item", shape, defs) for shape in forms(output.item)]
    for shape, data in ((Done, output.data), (Failed, output.failed)):
        if data is not None:
            made = line("result", shape, defs)
            keys = made["properties"]
            keys["verb"] = {"enum": verbs}
            keys["data"] = {**keys["data"], **schema(data, defs)}
            lines.append(made)
    name = "|".join(verbs) if verb != "serve" else "socat --serve-only"
    return document(f"A line of borgpull {name} --json", any_of(lines), defs)


def of_one(shape: Any, title: str) -> Schema:
    """An object that is no event."""
    defs: dict[str, Schema] = {}
    schema(shape, defs)
    return document(title, defs.pop(shape.__name__), defs)


def document(title: str, content: Schema, defs: dict[str, Schema]) -> Schema:
    more = {"$defs": dict(sorted(defs.items()))} if defs else {}
    return {"$schema": DIALECT, "title": title, **content, **more}


def line(event: str, shape: Any, defs: dict[str, Schema]) -> Schema:
    """The fields of a line, together with those that each line has."""
    made = of_keys(shape, defs)
    head = {"borgpull": {"const": PROTOCOL}, "event": {"const": event}}
    made["properties"] = {**head, **made["properties"]}
    made["required"] = [*head, *made["required"]]
    return made


def schema(shape: Any, defs: dict[str, Schema]) -> Schema:
    """The schema of a type. Those with keys get into `defs`. Raises KeyError for other types."""
    origin, args = get_origin(shape), get_args(shape)
    if is_typeddict(shape):
        name = shape.__name__
        if name not in defs:
            defs[name] = of_keys(shape, defs)
        return {"$ref": f"#/$defs/{name}"}
    if origin in (Union, UnionType):
        return any_of([schema(form, defs) for form in args])
    if origin is Literal:
        return {"const": args[0]} if len(args) == 1 else {"enum": list(args)}
    if origin is list:
        return {"type": "array", "items": schema(args[0], defs)}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema(args[1], defs)}
    if origin is Annotated:
        words = [word for form in forms(args[1]) for word in get_args(form)]
        return limited(schema(args[0], defs), list(dict.fromkeys(words)))
    return {} if shape is Any else {"type": PLAIN[shape]}


def limited(made: Schema, words: list[str]) -> Schema:
    """A text that is one of these words, or an object whose keys are."""
    enum = {"enum": words}
    return {**made, **({"propertyNames": enum} if made["type"] == "object" else enum)}


def of_keys(shape: Any, defs: dict[str, Schema]) -> Schema:
    """The schema of a TypedDict. No other keys are allowed."""
    told, keys, required = explained(shape), {}, []
    for key, of in get_type_hints(shape, include_extras=True).items():
        if get_origin(of) is NotRequired:
            (of,) = get_args(of)
        else:
            required.append(key)
        keys[key] = schema(of, defs) | ({"description": told[key]} if key in told else {})
    return {
        "description": " ".join(shape.__doc__.split()),
        "type": "object",
        "properties": keys,
        "required": required,
        "additionalProperties": False,
    }


def explained(shape: Any) -> dict[str, str]:
    """The strings below the keys of a TypedDict and its bases, as the source has them."""
    module = sys.modules[shape.__module__]
    (body,) = ast.parse(inspect.getsource(shape)).body
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for base in body.bases:
        if is_typeddict(parent := getattr(module, ast.unparse(base))):
            found |= explained(parent)
    for above, node in pairwise(body.body):
        match above, node:
            case ast.AnnAssign(target=ast.Name(id=key)), ast.Expr(value=ast.Constant(value=text)):
                found[key] = " ".join(str(text).split())
    return found


def forms(shape: Any) -> tuple[Any, ...]:
    """The members of a union, without None."""
    if shape is None:
        return ()
    return get_args(shape) if get_origin(shape) in (Union, UnionType) else (shape,)


def any_of(found: list[Schema]) -> Schema:
    return found[0] if len(found) == 1 else {"anyOf": found}


if __name__ == "__main__":
    main()
