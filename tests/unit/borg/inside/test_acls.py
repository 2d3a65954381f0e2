from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from borgpull.borg.inside.acls import UNKNOWN, Entry, entries

# As borg 1.4.5 stores them: a number after each name, a tab where a comment was.
TEXT = b"user::rw-\nuser:alice:rwx\t:4711\nuser:4712:r--:4712\ngroup::r-x\nmask::r--\nother::---\n"


def test_names_and_numbers() -> None:
    found = entries(TEXT, numeric=False)
    assert found == [
        Entry(0x01, 6),
        Entry(0x02, 7, 4711, "alice"),
        Entry(0x02, 4, 4712, "4712"),
        Entry(0x04, 5),
        Entry(0x10, 4),
        Entry(0x20, 0),
    ]
    assert {entry.name for entry in entries(TEXT, numeric=True)} == {None}
    assert entries(b"", numeric=False) == []
    # Without the number, the name may be one.
    assert entries(b"group:17:r-x", numeric=False) == [Entry(0x08, 5, 17, "17")]
    assert entries(b"user:caf\xe9:r--:5", numeric=False)[0].name == "caf\udce9"
    # libacl writes a blank like that. borg looks that name up, and finds no number.
    blank = b"group:domain\\040users:rwx\t:domain\\040users"
    assert entries(blank, numeric=False) == [Entry(0x08, 7, UNKNOWN, "domain users")]
    with pytest.raises(ValueError, match="domain"):
        entries(blank, numeric=True)


@pytest.mark.parametrize(
    "text", ["user", "user::", "user::rwz", "owner::rwx", "user:a:rwx", "user:a:rwx:-1", "a:b:c:d"]
)
def test_what_is_no_acl(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        entries(text.encode(), numeric=False)


@settings(deadline=None, derandomize=True, max_examples=50)
@given(
    st.binary()
    | st.text("user:gropmask0123456789-wx\n#\t \udcff").map(
        lambda text: text.encode(errors="surrogateescape")
    )
)
def test_anything(text: bytes) -> None:
    try:
        found = entries(text, numeric=False)
    except ValueError:
        return
    assert all(0 <= entry.number < 1 << 32 and entry.bits < 8 for entry in found)
