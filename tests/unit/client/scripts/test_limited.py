"""A key for stream that is limited to paths: what its holder may ask of the helper there."""

from __future__ import annotations

import json
import os
import shlex
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from borgpull.client import authorized, helper

SECRET = "TOP-SECRET"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """`open` is for the key, and `hidden` is not."""
    (tmp_path / "open" / "sub").mkdir(parents=True)
    (tmp_path / "open" / "file").write_text("open")
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "of-mine").write_text(SECRET)
    (tmp_path / "way").symlink_to("hidden")
    (tmp_path / "open" / "out").symlink_to(tmp_path / "way" / "of-mine")
    return tmp_path


def asked(tree: Path, *paths: Path | str, plan: dict[str, Any] | None = None) -> bytes:
    """What the helper says to a question for paths; with a plan, of the second entry, too."""
    words = shlex.split(authorized.limited_command([str(tree / "open")]))[1:]
    text = helper.source().encode()
    question = json.dumps({"paths": [os.fsencode(path).hex() for path in paths]}).encode()
    child = subprocess.Popen(words, stdin=-1, stdout=-1, stderr=-1)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(b"exec sh\n%8d" % len(text) + text + question + b"\n")
    if plan is None:
        return child.communicate(timeout=20)[0]
    roots = {"roots": [os.fsencode(tree / "open").hex()], "bars": {}}
    child.stdin.write(json.dumps({**roots, **plan}).encode() + b"\n")
    child.stdin.flush()
    answer = b""
    while b"\n\x08\0\0\0" not in answer:  # up to the end of the listing
        piece = os.read(child.stdout.fileno(), 65536)
        if not piece:
            break
        answer += piece
    return answer + child.communicate(struct.pack("<BI", 0, 1), timeout=20)[0]


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("tag", ["../hidden/of-mine", "{}/hidden/of-mine", "..", ".", "sub/../.."])
def test_a_tag_is_a_name_and_leads_nowhere(tree: Path, tag: str, keep: bool) -> None:
    name = tag.format(tree).encode()
    said = asked(tree, plan={"skips": {"tags": [name.hex()], "keep_tags": keep}})
    assert SECRET.encode() not in said
    assert said.endswith(b"}")  # nothing after the first answer: no word about the tag


def test_a_name_is_a_tag(tree: Path) -> None:
    said = asked(tree, plan={"skips": {"tags": [b"file".hex()], "keep_tags": True}})
    assert b"open" in said[said.index(b"}") :]  # so that the questions above are good ones


def test_a_link_tells_no_more_than_itself(tree: Path) -> None:
    """Where the links of its way lead is not for the key."""
    (link,) = answers(asked(tree, tree / "open" / "out"))
    assert bytes.fromhex(link["link"]) == os.fsencode(tree / "way" / "of-mine")


def answers(said: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(said[said.index(b"{") :])["paths"]
    return found
