from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from borgpull.ops.demo import CLIENT, judged, spoil
from borgpull.outputs.drills import Outcome


@pytest.mark.parametrize("good", get_args(Outcome))
@pytest.mark.parametrize("spoilt", get_args(Outcome))
def test_only_a_pass_and_a_difference_are_green(good: Outcome, spoilt: Outcome) -> None:
    failure = judged(good, spoilt)
    assert (failure is None) == (good == "pass" and spoilt == "differs")
    assert failure is None or failure.exit_code == 93


def test_one_bit_of_a_copy_is_spoilt(tmp_path: Path) -> None:
    repo, data = tmp_path / "repo", bytes(range(256))
    folder = repo / CLIENT / "data" / "0"
    folder.mkdir(parents=True)
    (folder / "1").write_bytes(data)
    (folder / "2").write_bytes(data[:-1])
    spoil(tmp_path, repo)
    kept, now = tmp_path / "kept" / CLIENT / "data" / "0", folder
    assert [(kept / name).read_bytes() for name in "12"] == [data, data[:-1]]
    assert (now / "2").read_bytes() == data[:-1]
    pairs = zip(data, (now / "1").read_bytes(), strict=True)
    assert sum((one ^ other).bit_count() for one, other in pairs) == 1
