"""stream by a shell's find: what borg's own method pipe stores, but for what it cannot carry."""

from __future__ import annotations

import pytest

from tests.docker.test_stream_sftp import SOME, TREE, items
from tests.support.lab import Lab

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
OWNER = 1000  # of the laboratory: the sidecars are not root
UNSEEN = ("xattrs", "acl_access", "acl_default", "bsdflags")


def test_find_stores_what_pipe_stores(lab: Lab) -> None:
    client = lab.client()
    client.exec("sh", "-c", f"touch -d 2020-01-01 {TREE}/last-boot")
    data = lab.pull("stream", client, "--reader", "find", *SOME)["data"]
    assert data["reader"] == "find"
    done = lab.plain("pipe", "--json", "--name", "by-pipe", "--init", client.address, *SOME)
    assert done.rc == 0, done.stdout
    expected = items(lab, "by-pipe", done.result["data"]["archive"])
    for item in expected.values():
        for field in UNSEEN:
            item.pop(field, None)
    assert items(lab, client.name, data["archive"]) == expected
    again = lab.pull("stream", client, "--reader", "find", *SOME)["data"]
    assert len(again["read_paths"]) <= 3
