"""What a user may write for borg's --compression and --exclude, as borg itself would take it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from borgpull.borg import compression, patterns
from borgpull.cli.places import exclusions
from borgpull.errors import UsageError


@pytest.mark.parametrize(
    "text",
    "none lz4 zstd zstd,1 zstd,22 zlib,0 lzma,9 auto,lz4 auto,zstd,3 obfuscate,110,auto,zstd,3 "
    "obfuscate,250,none".split(),
)
def test_compression_that_borg_takes(text: str) -> None:
    assert compression.check(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *"zstd,99 zstd,0 zstd,x zstd,3,3 zlib,10 lzma,-1 gzip auto auto,zstd,99".split(),
        *("obfuscate,7,lz4", "obfuscate,1", "", "zstd, ", "lz4 -9"),
    ],
)
def test_compression_that_borg_would_refuse_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError, match="--compression"):
        compression.check(text)


@pytest.mark.parametrize(
    "pattern",
    [
        "*.o",
        "/home/*/x",
        "re:[^/]+\\.tmp$",
        "re:^home/",
        "re:(a|/b)",
        "sh:**/[!a-c]",
        "pp:/a",
        "x:y",
        "re:a[^/]^",
        "sh:[]",
        "[",
        "re:\\^/",
        "re:^[/]?x",
    ],
)
def test_patterns_that_borg_takes(pattern: str) -> None:
    assert patterns.check(pattern, "--exclude") == pattern


@pytest.mark.parametrize("pattern", ["re:[", "re:(", "re:*", "sh:[z-a]", "xx:a", "re:a{2,1}"])
def test_patterns_that_borg_would_refuse_are_wrong_usage(pattern: str) -> None:
    with pytest.raises(UsageError, match="--exclude"):
        patterns.check(pattern, "--exclude")


@pytest.mark.parametrize(
    ("pattern", "better"),
    [
        ("re:^/home", "re:^home"),
        (r"re:\A/home", r"re:\Ahome"),
        (r"re:^\/home", "re:^home"),
        ("re:^(/home|/srv)", "re:^(home|/srv)"),
        ("re:^home|^/srv", "re:^home|^srv"),
    ],
)
def test_a_pattern_that_never_matches_is_refused_and_the_hint_writes_it_right(
    pattern: str, better: str
) -> None:
    with pytest.raises(UsageError, match="never match") as caught:
        patterns.check(pattern, "--exclude")
    assert repr(better) in caught.value.hint


def test_a_file_of_patterns_names_itself(tmp_path: Path) -> None:
    file = tmp_path / "patterns"
    file.write_text("# ours\n\nsh:**/tmp\nre:[\n")
    with pytest.raises(UsageError, match=f"--exclude-from {file}: 're:\\['"):
        exclusions((), [str(file)])
    file.write_text("# ours\n\n  sh:**/tmp\n")
    assert exclusions(["*.o"], [str(file)]) == ("*.o", "sh:**/tmp")


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("/home", ["/home", "/home/x"]),
        ("home/*", ["/home/x", "/home/x/y"]),
        ("sh:home/*/x", ["/home/a/x", "/home/a/x/y"]),
        ("sh:**/x", ["/x", "/a/b/x"]),
        ("re:x$", ["/x", "/ax"]),
        ("pp:/mnt", ["/mnt", "/mnt/nas"]),
        ("pf:mnt", ["/mnt"]),
    ],
)
def test_what_patterns_match(pattern: str, paths: list[str]) -> None:
    asked = ["/home", "/home/x", "/home/x/y", "/home/a/x", "/home/a/x/y", "/x", "/a/b/x", "/ax"]
    asked += ["/mnt", "/mnt/nas"]
    found = {path for path in asked if patterns.matches(pattern, path)}
    assert set(paths) <= found
    assert "/homes" not in found
    assert not patterns.matches(pattern, "/unlike")


@pytest.mark.parametrize(
    "path", ["/a b", "/caf\udce9", "/é\n", "/\U0001f600", "/[x](y)*+?.\\#", "/-"]
)
def test_a_literal_is_ascii_and_stands_for_itself_alone(path: str) -> None:
    pattern = patterns.literal(path)
    assert re.fullmatch(r"[A-Za-z0-9_/\\]+", pattern)
    assert re.fullmatch(pattern, path.lstrip("/"))
    assert not re.fullmatch(pattern, path.lstrip("/") + "x")
