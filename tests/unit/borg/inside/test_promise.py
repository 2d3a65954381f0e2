"""Which named paths are in an archive."""

from __future__ import annotations

from borgpull.borg.inside.promise import Promise


def test_what_is_named_and_what_is_in_it() -> None:
    promise = Promise(["srv", "srv/file", "bare", "missing"])
    for path, kind in (("srv", "d"), ("srv/file", "-"), ("bare", "d"), ("bare-not", "-")):
        promise.see(path, kind)
    assert promise.kinds == {"srv": "d", "srv/file": "-", "bare": "d"}
    assert promise.content == {"srv"}


def test_all_is_in_the_root() -> None:
    promise = Promise(["."])
    promise.see(".", "d")
    promise.see("etc", "d")
    assert promise.content == {"."}
