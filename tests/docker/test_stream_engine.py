"""The engine of `stream` with a real repository, and a client whose every frame is chosen."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from tests.support import (
    engine_alone,
    engine_chunks,
    engine_damaged,
    engine_early,
    engine_ids,
    engine_killed,
    engine_nonces,
    engine_runs,
)
from tests.support.lab import IMAGE, ROOT, docker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(120)]
PROGRAM = engine_alone.__name__


def case(name: str, program: str = PROGRAM) -> dict[str, Any]:
    words = ("--rm", "--network", "none", "-v", f"{ROOT}/tests:/t/tests:ro", "--workdir", "/t")
    text = docker("run", *words, "--entrypoint", "python3", IMAGE, "-m", program, name)
    found: dict[str, Any] = json.loads(text)
    return found


def test_an_inode_that_another_file_has_got_makes_no_hard_link_of_it() -> None:
    found = case("reused")
    assert found["code"] == 0, found
    assert found["items"]["r/b"] == ["-", "", "6"]
    assert found["items"]["r/c"][1] == "r/a"


def test_a_further_name_refers_to_no_name_that_is_not_in_the_archive() -> None:
    found = case("refused")
    assert found["code"] == 106
    assert "r/a" not in found["items"]
    assert found["items"]["r/b"] == ["-", "", "5"]


def test_a_further_name_refers_to_no_name_that_comes_later() -> None:
    found = case("moved")
    assert found["code"] == 107
    assert found["items"] == {
        "r": ["d", "", "0"],
        "r/q": ["-", "", "5"],
        "r/b": ["-", "", "5"],
        "r/x": ["-", "", "5"],
    }


def test_a_file_that_fails_after_a_checkpoint_leaves_no_reference_behind() -> None:
    found = case("cut")
    assert found["code"] == 106
    assert '"bytes": 0,' in found["said"]
    assert "r/a" not in found["items"]
    kept, counted_anew = found["references"]
    assert kept == counted_anew


def test_files_that_nothing_is_known_of_are_saved_as_they_come() -> None:
    found = case("new")
    assert (found["code"], found["checked"]) == (1, 0), found["said"]
    assert [*found["items"]][:8] == ["r", *(f"r/{n:02}" for n in range(5)), "r/e", "r/05"]
    assert found["other"] == ["13", "17"]  # it became shorter; it is gone
    assert len(found["items"]) == 33
    assert found["times"] == ["r/07", "r/z"]
    assert found["as borg packs them"] == 28  # those that did not change or fail, but the newest
    said = [*map(json.loads, found["said"].splitlines())]
    letters = [line["status"] for line in said if "status" in line]
    assert {letter: letters.count(letter) for letter in letters} == {"A": 29, "C": 2, "E": 1}
    (told,) = (line for line in said if line["type"] == "borgpull_read")
    assert (told["statuses"]["A"], told["statuses"]["C"]) == (29, 2)
    read = [line["path"] for line in said if line.get("status") in ("A", "C")]
    assert told["read"] == [path for path in read if path != "r"][:20]
    # Those that changed or failed, and the newest one, are not known next time.
    assert found["asked"] == [9, 13, 15, 19, 33]


def test_the_newest_file_is_read_again_though_a_checkpoint_came_before_it() -> None:
    found = case("newest")
    assert found["code"] == 0, found["said"]
    assert found["asked"] == [2]


def test_what_may_have_changed_unseen_is_read_again() -> None:
    """Two changes in one tick have one time, and a file system may keep whole seconds."""
    found = case("unseen")
    assert found["code"] == 0, found["said"]
    assert found["asked"] == [2, 3, 5, 6]  # the fifth is the newest one that is known


def test_a_stock_borg_may_use_the_files_cache_in_between() -> None:
    found = case("between")
    assert found["codes"] == [0, 0, 0], found
    assert found["asked"] == [3]  # the newest one
    read = [len(lines.splitlines()) for lines in found["said"]]
    assert read[0] > 100
    assert max(read[1:]) <= 1, found["said"][1:]  # the newest one


@pytest.mark.parametrize(("name", "most"), [("heavy", 600), ("linked", 2600)])
def test_a_client_cannot_fill_the_memory(name: str, most: int) -> None:
    found = case(name)
    assert found["code"] == 200
    assert found["peak"] < most


def test_a_content_that_changes_without_a_trace_is_found_and_saved_anew() -> None:
    found = case("rot")
    assert found["code"] == 0
    assert found["reread"] == {"files": 2, "bytes": 10, "differs": ["r/b"]}
    assert found["contents"] == {"a": "hello", "b": "thexe", "z": "later"}


def test_a_large_file_is_in_the_archive_as_it_came() -> None:
    found = case("exact")
    assert found["code"] == 0, found["said"]
    assert found["same"]


def test_files_that_follow_each_other_have_each_its_own_content() -> None:
    found = case("mixed")
    assert found["code"] == 0, found["said"]
    assert set(found["same"].values()) == {True}, found["same"]


def test_a_client_cannot_have_pieces_that_it_never_had() -> None:
    found = case("lies")
    codes = {name: answer["code"] for name, answer in found["codes"].items()}
    assert codes.pop("cut") == 106, found
    assert set(codes.values()) == {200}, found
    assert "r/b" not in found["cut"]  # it says less than the size of the file
    assert found["cut"]["r/n"] == ["-", "", "9"]


def test_an_unchanged_file_whose_chunk_is_lost_is_read_again_at_its_place() -> None:
    found = case("lost")
    for turn, name in enumerate("abc"):
        assert found[name] == [0, *(f"{one} of {turn}" for one in "abc"), "abcz"], name


def test_a_borg_that_fails_its_own_test_saves_nothing() -> None:
    found = case("untested")
    codes = {"first": 2, "good": 0, "again": 0, "another boot": 2}
    assert found["codes"] == codes, found
    assert (found["archives"], found["marks"]) == (["good", "again"], [False, True, True, True])
    assert "self test failed" in found["said"]


def test_an_item_is_copied_only_if_its_chunk_is_there_as_it_was() -> None:
    found = case("", engine_chunks.__name__)
    for name, one in found.items():
        fault, file = name.split()
        # The first run has nothing to copy. In the second one, a file is new among four others.
        assert [code for code, _ in one["codes"]] == [0, 0, 0], (name, one)
        assert [copied for _, copied in one["codes"]] == [0, 4, 4], (name, one)
        assert (one["same"], one["order"]) == (True, True), (name, one)
        assert one["larger"] == ([file] if fault == "anew" else []), (name, one)


@pytest.mark.parametrize("fault", [*engine_damaged.FAULTS, "checkpoint"])
def test_what_was_written_damaged_is_found_before_the_archive_counts(fault: str) -> None:
    """Nothing of it stays: the next run, by a healthy engine, saves all anew."""
    found = case(fault, engine_damaged.__name__)
    assert found["code"] == 203, found
    assert "just written is damaged" in found["said"]
    assert found["archives"] == []
    assert (found["later"], found["whole"], found["same"]) == (0, 0, True), found
    assert found["files"] == engine_damaged.FILES + 1


def test_an_engine_that_was_killed_between_two_commits_has_made_a_good_archive() -> None:
    """The repository has it, and borg's cache has not."""
    found = case("all", engine_killed.__name__)
    assert found["codes"] == [0, 137, 0, 0]
    assert found["check"] == 0
    for turn, name in enumerate(engine_killed.ARCHIVES):
        files = "".join(f"file {number}" for number in range(turn + 1))
        assert found["contents"][name] == f"{files}late {turn}", name


def test_an_early_engine_whose_job_fails_ends_at_once_and_holds_nothing() -> None:
    """By itself, though it waits for another borg's lock: a SIGTERM would make it 143."""
    found = case("all", engine_early.__name__)
    assert (found["opened"], found["after"]) == (0, 0)
    assert found["repository"] == [0, ["repo/lock.exclusive/another@1.5-0"]]
    code, (lock,) = found["cache"]
    assert (code, lock.endswith("/lock.exclusive/another@1.5-0")) == (0, True), lock
    assert found["ended"] == [73, None]  # and whoever asks for the list must ask borg


@pytest.mark.parametrize("seed", ["one", "two", "three"])
def test_archive_and_manifest_have_what_the_client_has_whatever_has_changed(seed: str) -> None:
    found: Any = case(seed, engine_runs.__name__)
    assert len(found) == engine_runs.RUNS
    for run in found:
        assert run["code"] == 0, run
        assert (run["items"], run["sums"], run["entries"]) == (True, True, True), run
    # Most items are those of the run before. In the first run there is none.
    copied = [run["copied"] for run in found]
    assert copied[0] == 0, copied
    assert sum(copied) > 100 if seed == "one" else sum(copied) > 50, copied
    # Many are listed without their flags. Those that have one are read again.
    assert sum(run["brief"] for run in found) > 50, found
    assert found[-1]["same"] > 5, found


def test_what_was_moved_is_compared_once() -> None:
    """Though it is old, and listed without its flags, the next run copies it."""
    found: Any = case(engine_runs.moved.__name__, engine_runs.__name__)
    assert all(run["items"] and run["sums"] for run in found), found
    flagged, moved, after = (found[number]["same"] for number in (2, 3, 4))
    assert moved > flagged + 20, found
    assert after == flagged, found
    assert found[4]["copied"] == found[2]["copied"] > 20, found


def test_what_a_reader_without_flags_has_listed_tells_nothing_of_flags() -> None:
    found: Any = case(engine_runs.readers.__name__, engine_runs.__name__)
    assert all(run["items"] and run["sums"] for run in found), found
    assert [bool(run["copied"]) for run in found] == [False, True, False, True], found
    assert [bool(run["brief"]) for run in found] == [False, True, False, True], found


def test_the_last_word_comes_with_the_last_question() -> None:
    """So no round trip passes between the last answer and the end."""
    found: Any = case(engine_runs.last.__name__, engine_runs.__name__)
    assert all(run["items"] and run["sums"] and run["entries"] for run in found), found
    assert [run["late"] for run in found] == [0, 0, 0, 0], found


def test_no_nonce_is_used_twice() -> None:
    found = case("", engine_nonces.__name__)
    assert found["code"] == 0
    pairs = found["nonces"]
    assert len(pairs) > engine_nonces.FILES
    assert not [(one, other) for one, other in itertools.pairwise(pairs) if other[0] < one[1]]


def test_ids_of_chunks_and_what_is_encrypted_are_those_of_borg() -> None:
    found = case("", engine_ids.__name__)
    assert {name: len(same) for name, same in found.items()} == {
        "by Python": 16,
        "is loaded": 1,
        "by the library": 16,
    }
    assert all(all(same) for same in found.values()), found
