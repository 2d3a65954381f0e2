"""What `--json` prints has a type, its schema is made of it, and all else is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator

from borgpull.events import Event, Kind
from borgpull.methods.losses import NAMES
from borgpull.outputs.backups import Uncarried
from borgpull.outputs.lines import EVENTS
from borgpull.outputs.restores import Cannot, How
from borgpull.outputs.verbs import OUTPUTS
from borgpull.results import Failure, Result
from borgpull.trees import losses
from borgpull.verbs import VERBS, WAYS
from scripts.schemas import FOLDER, files
from tests.support.schemas import require, require_all

BORGPULL = Path(sys.executable).with_name("borgpull")
LISTED: dict[str, Any] = {"archives": [], "vanished": []}


def of(result: Result) -> dict[str, Any]:
    """As it is printed."""
    return dict(json.loads(Event("result", result.to_dict()).to_json()))


def test_the_schemas_are_those_of_the_types() -> None:
    there = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert there == files(), "make schemas"


@pytest.mark.parametrize("name", files())
def test_each_is_a_schema_and_can_be_found(name: str) -> None:
    Draft202012Validator.check_schema(json.loads((FOLDER / name).read_text()))
    assert f"(json/{name})" in FOLDER.with_name("json.md").read_text()


def test_each_verb_and_each_event_has_types() -> None:
    """Stock borg's output is its own. What a job asks of its launcher, nobody else sees."""
    assert OUTPUTS.keys() == {name for name, verb in VERBS.items() if not verb.raw}
    assert EVENTS.keys() | {"item", "ask", "result"} == set(get_args(Kind))


def test_kinds_of_losses_and_ways_are_those_of_the_code() -> None:
    assert set(NAMES) == set(get_args(Uncarried))
    assert losses.KINDS.keys() <= set(get_args(Cannot))
    assert WAYS.keys() == set(get_args(How))


def test_a_result_as_it_should_be() -> None:
    require_all([of(Result(verb="list", client="web1", data=LISTED))])
    failure = Failure(exit_code=22, error="RepositoryMissing", message="none", hint="make it")
    require_all([of(Result(verb="list", client="web1", ok=False, failure=failure))])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"data": {**LISTED, "more": 1}}, "more"),
        ({"data": {"archives": []}}, "vanished"),
        ({"data": {**LISTED, "archives": [{"name": "a"}]}}, "required"),
        ({"data": {**LISTED, "vanished": None}}, "not of type 'array'"),
        ({"ok": False}, "failure: None is not of type 'object'"),
        ({"failure": {}}, "not of type 'null'"),
        ({"verb": "browse"}, "'browse' is not one of"),
        ({"borgpull": 2}, "1 was expected"),
        ({"event": "other"}, "False schema"),
        ({"more": 1}, "more"),
    ],
    ids=str,
)
def test_a_broken_result_is_refused(change: dict[str, Any], word: str) -> None:
    good = of(Result(verb="list", client="web1", data=LISTED))
    with pytest.raises(AssertionError, match=word):
        require({**good, **change}, "list.schema.json")


def test_a_broken_event_is_refused() -> None:
    good = {"borgpull": 1, "event": "note", "text": "x"}
    last = of(Result(verb="list", client="web1", data=LISTED))
    require_all([good, last])
    for change in ({"event": "other"}, {"text": 1}, {"number": 1}):
        for lines in ([{**good, **change}, last], [{**good, **change}]):
            with pytest.raises(AssertionError, match="not as in docs/json"):
                require_all(lines)


def test_commands_without_a_sidecar() -> None:
    """The version; and failures before there is a job, which name their verb."""
    done = subprocess.run([BORGPULL, "version", "--json"], capture_output=True, check=True)
    require(json.loads(done.stdout), "version.schema.json")
    for verb, word in (("list", "../x"), ("pipe", "-oX"), ("trust", "a:b")):
        done = subprocess.run([BORGPULL, verb, "--json", word], capture_output=True, check=False)
        line = json.loads(done.stdout)
        require_all([line])
        assert (line["verb"], line["failure"]["exit_code"]) == (verb, done.returncode)
