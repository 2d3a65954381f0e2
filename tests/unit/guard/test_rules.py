"""The guard over simulated days: no ordinary day is a finding, and each loss is one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from borgpull.errors import GuardTripped, UsageError
from borgpull.jobs import Acknowledge
from borgpull.ops import freeze
from borgpull.outputs.guard import Guard
from borgpull.places import Places
from borgpull.state import guards, ledger
from tests.support.days import CLIENT, MIB, PACKED, Days, server


def rules(guard: Guard) -> set[str]:
    return {finding["rule"] for finding in guard["findings"]}


def ordinary(days: Days) -> None:
    """Of each day: logs grow and are rotated, mail is read, files are edited, a database works."""
    for at in range(20):
        log = f"var/log/log{at}"
        for number in (7, 6, 5, 4, 3, 2):
            if f"{log}.{number}.gz" in days.files:
                days.move(f"{log}.{number}.gz", f"{log}.{number + 1}.gz")
        if f"{log}.1" in days.files:
            del days.files[f"{log}.1"]
            days.put(f"{log}.2.gz", 9000, hard=PACKED)
        days.move(log, f"{log}.1")
        days.put(log, 50_000 + days.day)
    for path in [*days.some("home/ann/docs", 40), "var/lib/db/data"]:
        days.put(path, days.files[path].size + 10)
    for path in days.below("home/ann/mail/new"):
        days.move(path, path.replace("new", "cur") + f"-{days.day}")
    for at in range(15):
        days.put(f"home/ann/mail/new/{days.day}-{at}")
    for at in range(10):
        days.put(f"home/ann/git/objects/{days.day}-{at}", 3000, hard=PACKED)


def upgrade(days: Days) -> None:
    for path in [*days.some("usr/bin", 350), *days.some("usr/share/man", 250)]:
        days.put(path, hard=path.endswith(".gz"))


def collect(days: Days) -> None:
    """git gc."""
    days.remove("home/ann/git/objects")
    days.put("home/ann/git/pack", 9 * MIB, hard=PACKED)


def order_photos(days: Days) -> None:
    for path in days.below("home/ann/photos/20"):
        days.move(path, path.replace("photos/20", "2020"))


# By the day: what else happens.
SPECIAL: dict[int, Callable[[Days], None]] = {
    3: upgrade,
    6: lambda days: days.many("usr/lib/modules/6.2", 900, ".ko.zst", hard=PACKED),
    8: lambda days: days.put("home/ann/film", 60_000 * MIB, hard=PACKED),
    9: lambda days: days.take("home/ann/film"),
    11: lambda days: days.remove("usr/lib/modules/6.1"),
    12: upgrade,
    14: lambda days: days.remove("home/ann/.cache/web"),
    16: lambda days: days.remove("home/bob"),  # a small home
    18: lambda days: days.many("home/ann/new", 3000),
    20: lambda days: days.many("home/ann/photos/20", 500, ".jpg", size=2 * MIB, hard=PACKED),
    21: order_photos,
    23: collect,
    25: upgrade,
    27: lambda days: days.many("home/ann/.cache/web", 900, hard=PACKED),
}


def test_a_moved_home_is_none_lost_where_few_contents_have_sums(tmp_path: Path) -> None:
    """A file that was moved has lost its sum. Nor does another method make it another file."""
    days = server(tmp_path, witnessed=True, compression="none")
    days.backup()
    for witnessed in (True, True, False, True, True):
        days.witnessed = witnessed
        assert days.backup()["state"] == "good"
        days.files = {path: replace(one, fresh=True) for path, one in days.files.items()}  # chmod
    assert [days.backup()["state"] for _ in range(2)] == ["good"] * 2
    for path in days.below("home/ann/docs"):
        days.move(path, path.replace("ann/docs", "ann/papers"))
    assert days.backup()["findings"] == []
    days.remove("home/ann/papers")
    assert rules(days.backup()) == {"files"}


def test_thirty_ordinary_days_freeze_nothing(tmp_path: Path) -> None:
    days = server(tmp_path)
    assert days.backup()["state"] == "first"
    for number in range(1, 31):
        if number not in (10, 19):  # on some days nothing happens at all
            ordinary(days)
        if number in SPECIAL:
            SPECIAL[number](days)
        found = days.backup()
        assert (number, found["state"], found["findings"]) == (number, "good", [])
        assert found["runs"] == min(number, 7)
    assert guards.frozen(tmp_path, CLIENT) is None


def begun(state: Path, number: int = 2, **more: object) -> Days:
    days = server(state, **more)
    for _ in range(number):
        days.backup()
        ordinary(days)
    return days


DOCS, PHOTOS = "home/ann/docs", "home/ann/photos"


def by_another_name(days: Days) -> None:
    days.remove(DOCS)
    days.many("home/ann/x", 900, ".q", hard=PACKED)


def emptied_files(days: Days) -> None:
    for path in [*days.below(PHOTOS), *days.below(DOCS)]:
        days.put(path, 0)


def rubbish(days: Days) -> None:
    for folder in ("home", "etc", "usr/bin"):
        days.remove(folder)
    days.many("home/rubbish", 4000)


ATTACKS: dict[str, tuple[Callable[[Days], None], set[str]]] = {
    "in place": (lambda days: days.encrypt(days.below(DOCS)), {"turned"}),
    "renamed": (lambda days: days.encrypt(days.below(DOCS), ".locked"), {"turned"}),
    "by another name": (by_another_name, {"turned"}),
    "photos renamed": (
        lambda days: days.encrypt([*days.below(PHOTOS), *days.below("etc")], ".locked"),
        {"turned", "turned_bytes"},
    ),
    "all, packed too": (lambda days: days.encrypt(list(days.files)), {"turned", "rewritten"}),
    "a database": (lambda days: days.encrypt(["var/lib/db/data"]), {"turned_bytes"}),
    "deleted": (lambda days: days.remove("home/ann"), {"files"}),
    "photos deleted": (lambda days: days.remove(PHOTOS), {"bytes"}),
    "emptied files": (emptied_files, {"bytes"}),
    "deleted, and rubbish in its place": (rubbish, {"gone"}),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_found_and_freezes(tmp_path: Path, name: str) -> None:
    attack, wanted = ATTACKS[name]
    days = begun(tmp_path)
    attack(days)
    found = days.backup()
    assert (found["state"], found["frozen"]) == ("tripped", True)
    assert wanted <= rules(found), found
    again = days.backup()  # nothing has changed since, and it is as bad
    assert (again["state"], rules(again)) == ("tripped", rules(found))


def test_a_slow_encryption_is_found(tmp_path: Path) -> None:
    days = begun(tmp_path)
    for number in range(8):
        ordinary(days)
        left = [
            path for path in [*days.below(DOCS), *days.below("etc")] if not days.files[path].hard
        ]
        days.encrypt(left[:90], ".x" if number % 2 else "")
        found = days.backup()
        if found["findings"]:
            break
    assert rules(found) == {"slow"}
    assert 3 < number < 8


def test_a_slow_deletion_is_found(tmp_path: Path) -> None:
    days = begun(tmp_path)
    for number in range(9):  # noqa: B007
        for path in [*days.below(DOCS), *days.below("etc")][:160]:
            del days.files[path]
        found = days.backup()
        if found["findings"]:
            break
    assert "files" in rules(found)
    assert number > 0


@pytest.mark.parametrize("mounted", [True, False])
@pytest.mark.parametrize("folder", ["etc", ".etc", "srv/www", "srv/a/b/c"])
def test_a_folder_that_lost_everything(tmp_path: Path, folder: str, *, mounted: bool) -> None:
    days = server(tmp_path)
    days.many(folder, 12)
    days.put("srv/a/else")
    days.folders[folder] = 5 if mounted else 1
    for _ in range(3):
        days.backup()
        ordinary(days)
    days.remove(folder)
    days.folders[folder] = 1
    found = days.backup()
    deep = folder == "srv/a/b/c" and not mounted
    assert rules(found) == (set() if deep else {"emptied"}), found
    assert (guards.frozen(tmp_path, CLIENT) is None) == deep
    if not deep:
        assert f"/{folder} is" in found["findings"][0]["text"]


def test_a_folder_that_is_often_empty_is_no_loss(tmp_path: Path) -> None:
    days = server(tmp_path)
    days.folders["srv/spool"] = 1
    days.backup()
    days.many("srv/spool", 30)
    assert days.backup()["state"] == "good"
    days.remove("srv/spool")
    assert days.backup()["state"] == "good"


def test_unreadable_paths(tmp_path: Path) -> None:
    days = begun(tmp_path)
    assert days.backup(unreadable=9)["state"] == "good"
    assert rules(days.backup(unreadable=10)) == {"unreadable"}


def test_what_a_user_accepts_is_how_things_are(tmp_path: Path) -> None:
    days = begun(tmp_path)
    days.remove("home/ann")
    assert days.backup()["state"] == "tripped"
    job = Acknowledge(client=CLIENT, places=Places(state=str(tmp_path)))
    with pytest.raises(UsageError):
        freeze.require_reason(job)
    with pytest.raises(GuardTripped, match="went away"):
        freeze.require_not_frozen(job)
    job = Acknowledge(client=CLIENT, places=Places(state=str(tmp_path)), reason="Ann has left")
    freeze.require_reason(job)
    lifted = freeze.lift(job)
    assert lifted is not None
    assert lifted["frozen"]["archive"] == "day3"
    assert ledger.lines(tmp_path, CLIENT)[-1]["reason"] == "Ann has left"
    assert freeze.lift(job) is None
    freeze.require_not_frozen(job)
    for _ in range(9):
        days.put("etc/new")
        assert days.backup()["state"] == "good"
    days.encrypt(days.below("etc"))
    assert "turned" in rules(days.backup())


def test_a_client_stays_frozen_when_all_is_back(tmp_path: Path) -> None:
    days = begun(tmp_path)
    kept = dict(days.files)
    days.remove("home/ann")
    days.backup()
    days.files = kept
    found = days.backup()
    assert (found["state"], found["frozen"], found["findings"]) == ("good", True, [])


def test_who_cannot_look_says_so(tmp_path: Path) -> None:
    days = begun(tmp_path)
    found = days.backup(manifest=False)
    assert (found["state"], found["runs"]) == ("not guarded", 0)
    assert "manifest" in found["why"]
    assert guards.last(tmp_path, CLIENT) == found
    (sketch,) = guards.folder_of(tmp_path, CLIENT).glob("*/last.sketch")
    sketch.write_bytes(sketch.read_bytes()[:-1])
    days.put("etc/new")
    found = days.backup()
    assert (found["state"], "cannot be read" in found["why"]) == ("first", True)


def test_other_paths_are_not_compared(tmp_path: Path) -> None:
    days = begun(tmp_path)
    days.paths = ("/etc",)
    assert days.backup()["state"] == "first"
    days.paths = ("/",)
    days.remove("home/ann")
    assert days.backup()["state"] == "tripped"


def test_without_compression_much_must_be_rewritten(tmp_path: Path) -> None:
    days = begun(tmp_path, compression="none")
    upgrade(days)
    assert days.backup()["state"] == "good"
    days.encrypt(list(days.files))
    assert rules(days.backup()) == {"rewritten"}


def test_an_unreadable_record_leaves_a_client_frozen(tmp_path: Path) -> None:
    days = begun(tmp_path)
    (guards.folder_of(tmp_path, CLIENT) / "frozen.json").write_text("{")
    assert days.backup()["frozen"]
