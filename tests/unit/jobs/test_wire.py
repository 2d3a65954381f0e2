"""Jobs of every kind to JSON and back; and what is no job."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, asdict, fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from borgpull.addresses import Target
from borgpull.errors import UsageError
from borgpull.jobs import (
    JOB_VERSION,
    KINDS,
    Access,
    Backup,
    Demo,
    Doctor,
    Drill,
    DrillCheck,
    Job,
    Keep,
    List,
    Look,
    Prune,
    Restore,
    Route,
    Skips,
    Tidy,
    from_json,
    to_json,
)
from borgpull.verbs import METHODS, WAYS
from borgpull.ways import DRILLED

ACCESS = Access(target=Target(host="web1", port=23), via=Target(host="gate"), sudo=True)
BACKUP = Backup(verb="sshfs", client="web1", access=ACCESS, paths=("/etc", "/h\udcff"))

PRUNE = Prune(keep=Keep(last=1))


@st.composite
def jobs(draw: st.DrawFn, verb: str) -> Job:
    """Any job of this verb: every field is drawn, by its type."""
    kind = KINDS[verb]
    own: dict[str, st.SearchStrategy[Any]] = {"verb": st.just(verb)}
    if kind is Restore:
        how = draw(st.sampled_from(sorted(WAYS)))
        there = st.none() if WAYS[how].here else st.from_type(Access)
        own |= {"how": st.just(how), "access": there}
    if kind is Backup:
        names = st.lists(st.sampled_from(["tag", ".nobackup"])).map(tuple)
        own |= {"skips": st.builds(Skips, caches=st.just(True), tags=names)}
    if kind is Demo:
        own |= {"how": st.sampled_from(DRILLED)}
    if kind is Drill:
        checks = st.builds(
            DrillCheck,
            name=st.just("boots"),
            run=st.just("true"),
            timeout=st.integers(1),
            expect=st.integers(0, 255),
            output=st.none(),
        )
        how = draw(st.sampled_from(DRILLED))
        some = st.just(()) if WAYS[how].fuse else st.lists(checks).map(tuple)
        own |= {"how": st.just(how), "checks": some, "max_unproved": st.floats(0, 1)}
    if kind is Prune:
        own |= {"keep": st.builds(Keep, within=st.sampled_from([None, "2d"]), last=st.integers(1))}
    given_ = {item.name: own.get(item.name, ...) for item in fields(kind)}
    return draw(st.builds(kind, **given_))


@pytest.mark.parametrize("verb", KINDS)
@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_there_and_back(verb: str, data: st.DataObject) -> None:
    job = data.draw(jobs(verb))
    line = to_json(job)
    assert "\n" not in line
    assert from_json(line) == job


def test_the_verb_is_the_tag() -> None:
    assert from_json(to_json(BACKUP)) == BACKUP  # with a path that is no UTF-8
    assert json.loads(to_json(BACKUP))["verb"] == "sshfs"
    assert type(from_json(to_json(replace(BACKUP, verb="pipe")))) is Backup
    assert type(from_json(to_json(Look(verb="info")))) is Look


def changed(job: Job, **values: object) -> str:
    """Its JSON with these fields; `...` takes one away."""
    data: dict[str, Any] = {**json.loads(to_json(job)), **values}
    return json.dumps({name: value for name, value in data.items() if value is not ...})


PARTS = asdict(ACCESS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Expecting value"),
        ("[" * 100_000, "recursion"),
        ("[]", "no object"),
        ("{}", "another version"),
        (changed(BACKUP, version=JOB_VERSION - 1), "another version"),
        (changed(BACKUP, version=True), "another version"),
        (changed(BACKUP, verb="vreb"), "no verb 'vreb'"),
        (changed(BACKUP, verb=...), "no verb None"),
        (changed(BACKUP, verb=[]), "no verb []"),
        (changed(BACKUP, verb="list"), "list has unknown 'access', "),
        (changed(BACKUP, **{"a\nb": 1}), "sshfs has unknown 'a\\nb'"),
        (changed(BACKUP, access=...), "sshfs has missing 'access'"),
        (changed(BACKUP, lock_wait=...), "sshfs has missing 'lock_wait'"),
        (changed(BACKUP, lock_wait="9"), "sshfs.lock_wait is no int"),
        (changed(BACKUP, lock_wait=True), "sshfs.lock_wait is no int"),
        (changed(BACKUP, init=1), "sshfs.init is no bool"),
        (changed(BACKUP, client=None), "sshfs.client is no str"),
        (changed(BACKUP, archive=3), "sshfs.archive is no str"),
        (changed(BACKUP, paths="/etc"), "sshfs.paths is no list"),
        (changed(BACKUP, paths=["/etc", None]), "sshfs.paths is no str"),
        (changed(BACKUP, access=None), "sshfs.access is no object"),
        (changed(BACKUP, access={**PARTS, "more": 1}), "sshfs.access has unknown 'more'"),
        (changed(BACKUP, access={**PARTS, "via": "gate"}), "sshfs.access.via is no object"),
        (changed(BACKUP, access={**PARTS, "target": {"host": "a"}}), "missing 'port', 'user'"),
        (changed(List(), places={}), "list.places has missing "),
        (changed(Doctor(), route=[]), "doctor.route is no object"),
        (changed(PRUNE, keep={**asdict(PRUNE.keep), "last": 0}), "nothing says what"),
        (changed(PRUNE, keep={**asdict(PRUNE.keep), "daily": -2}), "less than none"),
        (changed(PRUNE, keep={**asdict(PRUNE.keep), "within": "2x"}), "not a time to keep"),
        (changed(PRUNE, keep={**asdict(PRUNE.keep), "within": "0d"}), "not a time to keep"),
        (changed(PRUNE, keep=[]), "prune.keep is no object"),
        (changed(Restore(archive="x", how="local"), how="pipe"), "not a way to restore there"),
        (changed(Restore(archive="x", how="local"), how="tar"), "not a way to restore there"),
    ],
)
def test_what_is_no_job(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        from_json(text)
    assert said in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(("how", "access"), [("local", ACCESS), ("native", None), ("x", None)])
def test_a_way_and_where_it_goes(how: str, access: Access | None) -> None:
    with pytest.raises(UsageError, match="not a way to restore there"):
        Restore(archive="x", how=how, access=access)


def test_what_reaches_a_machine() -> None:
    assert BACKUP.reaches() == ACCESS
    assert Restore(archive="x", how="tar", access=ACCESS).reaches() == ACCESS
    assert Restore(archive="x", how="local").reaches() is None
    assert Doctor().reaches() is None
    assert Doctor(route=Route(target=ACCESS.target)).reaches() is not None
    assert Tidy().reaches() is None


def test_a_verb_that_is_alone_in_its_kind_need_not_be_named() -> None:
    kinds = list(KINDS.values())
    alone = {verb for verb, kind in KINDS.items() if kinds.count(kind) == 1 and kind is not Look}
    for verb in alone:
        assert {item.name: item.default for item in fields(KINDS[verb])}["verb"] == verb
    assert {*METHODS} <= {*KINDS} - alone


def test_a_job_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        BACKUP.client = "other"  # type: ignore[misc]
