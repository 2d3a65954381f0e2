"""A folder without end ends the run, and takes no memory meanwhile."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from borgpull.client.scripts.stream_look import Output
from borgpull.readers.child import BadAnswer
from borgpull.readers.sftp import folders
from borgpull.readers.sftp.link import Link
from borgpull.readers.sftp.tree import Tree
from tests.support import evil_sftp


class Nowhere(Output):
    def flush(self) -> None:
        self.parts, self.size = [], 0


def test_a_folder_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(folders, "MAX_ENTRIES", 20_000)
    argv = [sys.executable, evil_sftp.__file__, "endless"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as server:
        assert server.stdin is not None and server.stdout is not None
        link = Link(server.stdout.fileno(), server.stdin.fileno())
        link.hello()
        tree = Tree(link, Nowhere(), ({}, {}), [bytes(tmp_path)], {})
        most = 0
        with pytest.raises(BadAnswer, match="a folder without end"):
            while True:
                tree.step()
                most = max(most, *(len(folder.entries) for folder in tree._stack))
                link.turn()
                tree.finished(tree.listed)
        assert most < 2000
        server.kill()
