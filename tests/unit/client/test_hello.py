"""What a client's helper says of it, and what it is not to look at."""

from __future__ import annotations

import json
from errno import EACCES, ENOENT
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgpull.client import hello
from borgpull.client.mounts import FALLBACK, LeftOut, Mounts
from borgpull.errors import HostileClient

USUAL = [{"holds": "something"}] * len(FALLBACK)


def said(*paths: dict[str, Any], **more: Any) -> bytes:
    facts = {"machine": "Linux x86_64", "uid": 0, "time": 5, "mounts": "", "cpu": "", **more}
    return json.dumps({**facts, "paths": [*paths, *USUAL]}).encode()


def test_facts_of_a_client() -> None:
    text = said(
        {"errno": ENOENT},
        {"link": b"/to".hex()},
        {"plain": True},
        {"holds": ""},
        {"holds": "sockets"},
        {"holds": "something"},
        mounts=b"1 2 3".hex(),
        cpu="flags : fpu aes\n",
    )
    facts, hollow = hello.read(text, 6, 5)
    assert facts.missing == {1: "No such file or directory"}
    assert (facts.links, facts.plain) == ({2: "/to"}, {3: ""})
    assert facts.empty == {4: "", 5: "sockets"}
    assert (facts.mounts, facts.aes, hollow) == (b"1 2 3", True, ())


@given(text=st.binary(max_size=100) | st.builds(said, st.dictionaries(st.text(), st.text())))
def test_any_answer_is_understood_or_hostile(text: bytes) -> None:
    try:
        hello.read(text, 1, 0)
    except HostileClient:
        return


@pytest.mark.parametrize("wrong", [{"uid": "x"}, {"mounts": "zz"}, {"time": None}, {"paths": [1]}])
def test_answers_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(HostileClient):
        hello.read(json.dumps({**json.loads(said({})), **wrong}).encode(), 1, 0)


def test_what_cannot_be_told_counts_as_there() -> None:
    rows = [{"errno": ENOENT}, {"errno": EACCES}, {"plain": 1}, {"plain": 2}]
    assert hello.there(json.dumps({"paths": rows}).encode(), 4) == [False, True, True, False]
    assert hello.there(b"nonsense", 2) == [True, True]


def test_a_mount_that_is_left_out_is_an_empty_folder_or_missing() -> None:
    kept, gone = LeftOut("/proc", "proc", True), LeftOut("/mnt/nfs", "nfs", False)
    assert hello.bars(Mounts((kept, gone))) == {"/proc": [None], "/mnt": ["nfs"]}


def test_only_the_way_to_a_disk_is_listed_below_a_mount_that_is_left_out() -> None:
    mounts = Mounts(
        (LeftOut("/run", "tmpfs", True), LeftOut("/run/a/nfs", "nfs", False)),
        ("/run/a/disk", "/run/b"),
    )
    assert hello.bars(mounts) == {"/run": [None, "a", "b"], "/run/a": [None, "disk"]}
