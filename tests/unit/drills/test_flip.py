from __future__ import annotations

from pathlib import Path

from borgpull.drills.flip import flip, flip_within


def test_one_bit_is_wrong_and_another_time_right_again(tmp_path: Path) -> None:
    path, good = tmp_path / "file", b"\x00\xff\x10"
    path.write_bytes(good)
    path.chmod(0o640)
    for at, bad in ((0, b"\x01\xff\x10"), (1, b"\x00\xfe\x10"), (-1, b"\x00\xff\x11")):
        flip(path, at)
        assert path.read_bytes() == bad
        flip(path, at)
        assert path.read_bytes() == good
    assert path.stat().st_mode & 0o777 == 0o640


def test_of_a_repository_the_largest_file_of_data(tmp_path: Path) -> None:
    (tmp_path / "data/0").mkdir(parents=True)
    contents = {"index.9": bytes(9000), "data/0/1": bytes(100), "data/0/2": bytes(7)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    flip_within(tmp_path)
    found = {name: (tmp_path / name).read_bytes() for name in contents}
    assert found == {**contents, "data/0/1": bytes(50) + b"\x01" + bytes(49)}
