"""What a drill has found: all is counted, the first are told, in few words."""

from __future__ import annotations

import json

from borgpull.borg.named import absolute
from borgpull.drills.findings import SHOWN, Found


def test_all_are_counted_and_the_first_are_told() -> None:
    found = Found()
    for number in range(SHOWN + 10):
        found.differs(f"a{number}", ("mode", "x", "y"))
    assert found.kinds == {"mode": SHOWN + 10}
    assert len(found.findings) == SHOWN
    assert found.findings[0] == {"path": "/a0", "kind": "mode", "expected": "x", "found": "y"}


def test_values_are_short_and_text() -> None:
    found = Found()
    found.differs("caf\udce9", ("xattr", b"\x00" * 1000, None))
    (one,) = found.findings
    assert one["expected"] == "0" * 200 + "…"
    assert json.loads(json.dumps(one)) == one


def test_the_root_has_a_path() -> None:
    assert (absolute(""), absolute("."), absolute("srv/a")) == ("/", "/", "/srv/a")
