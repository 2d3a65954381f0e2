"""The answer of the script that surveys a target."""

from __future__ import annotations

import stat
from typing import Any

import pytest

from borgpull.client.survey import AttributesByScript, ByScript
from borgpull.errors import TargetNotUsable
from borgpull.process import Completed
from borgpull.trees.item import Item
from borgpull.trees.survey import Ground
from tests.support.surveys import HEAD, SAME


def told(answer: str, word: str, *places: str, login: tuple[int, str] | None = None) -> Ground:
    """What is made of an answer to a question for these places."""

    def run(asked: str, data: bytes) -> Completed:
        assert asked == word
        assert data == b"/x\n" + b"".join(place.encode() + b"\0" for place in places)
        return Completed(0, answer.encode(), "")

    return ByScript(name="web2:/x", folder="/x", run=run, login=login)(word, places)


def test_what_stat_says_is_an_item() -> None:
    """What it does not say is not known."""
    item = told(HEAD + "1\n" + SAME.format(1), "owners", "a").found["a"]
    common = {"size": 5, "mtime_ns": 100 * 10**9, "uid": 0, "gid": 7, "inode": "1:1"}
    owners = {"user": "root", "group": "domain users"}
    assert item == Item(path="a", mode="-rw-r--r--", **common, **owners)  # type: ignore[arg-type]
    assert (item.target, item.links, item.xattrs, item.acls, item.flags) == (None,) * 5
    line = SAME.format(1).replace("root/domain users", "/")
    item = told(HEAD + "1\n" + line, "look", "a").found["a"]
    assert (item.user, item.group) == (None, None)


def test_over_sftp_another_one_writes_and_inodes_are_not_the_targets() -> None:
    ground = told(HEAD, "look")
    assert (ground.uid, ground.user, ground.inodes) == (0, "root", True)
    assert ground.capabilities == 0xA80425FB
    ground = told(HEAD, "look", login=(7, "alice"))
    assert (ground.uid, ground.user, ground.inodes, ground.capabilities) == (7, "alice", False, 0)


def test_of_what_is_removed_nothing_is_told() -> None:
    assert told(HEAD, "remove", "a", "b").found == {}


@pytest.mark.parametrize(
    "answer",
    [
        "=3\n" + SAME.format(1) + SAME.format(2) + SAME.format(3) + "=1\n" + SAME.format(4),
        # One was not there when stat came, so that each was looked at.
        "=3\n"
        + SAME.format(1)
        + "!\n111\n"
        + "".join(map(SAME.format, (1, 2, 3)))
        + "=1\n!\n1\n"
        + SAME.format(4),
    ],
)
def test_all_of_a_batch_at_once(answer: str) -> None:
    found = told(HEAD + answer, "verify", *"abcd").found
    assert [found[name].inode for name in "abcd"] == ["1:1", "1:2", "1:3", "1:4"]


def test_one_of_a_batch_is_missing() -> None:
    answer = "=2\n" + SAME.format(1) + "!\n10\n" + SAME.format(1)
    found = told(HEAD + answer, "verify", "a", "b").found
    assert list(found) == ["a"]


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "sh: 1: no\n",
        HEAD + "1\n",
        HEAD + "1\n81a4 5\n",
        HEAD,
        HEAD + "=1\n",
        HEAD + "=1\n!\n",
        HEAD + "=x\n",
        HEAD + "1\n" + SAME.format(1).replace("81a4", "f" * 20),
        HEAD + "1\n" + SAME.format(1).replace("81a4", "-1"),
    ],
)
def test_an_answer_that_is_none(answer: str) -> None:
    with pytest.raises(TargetNotUsable):
        told(answer, "look", "a")


@pytest.mark.parametrize(
    ("lines", "attributes"),
    [
        (["80 3 0", "? 0 ?"], [(stat.UF_IMMUTABLE | stat.UF_NODUMP, 3, set()), (None, 0, None)]),
        (["524288 ? 0,61,62", f"{'9' * 5000} -1 1"], [(0, None, {"61", "62"}), (None, None, None)]),
        (["80 3 0"], [(None, None, None)] * 2),
        (["80 3", "0 0"], [(None, None, None)] * 2),
        (["80 3 0", "0 0 0", "0 0 0"], [(None, None, None)] * 2),
    ],
)
def test_flags_acls_and_xattrs(lines: list[str], attributes: list[Any]) -> None:
    """The kernel's flags become those of an Item; what cannot be read is not known."""

    def run(data: bytes) -> Completed:
        assert data == b"/x\na\xff\0b\0"
        answer = "".join(f"borgpull-attributes {line}\n" for line in lines)
        return Completed(0, f"a greeting\n{answer}".encode(), "")

    assert AttributesByScript(folder="/x", run=run)(["a\udcff", "b"]) == attributes
