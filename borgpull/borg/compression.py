"""borg's --compression, by the rules of its own CompressionSpec (compress.pyx, 1.4.5)."""

from __future__ import annotations

from borgpull.errors import UsageError

# Level by name; `auto` and `obfuscate` take another specification after their own words.
LEVELS = {"zlib": range(10), "lzma": range(10), "zstd": range(1, 23)}
OBFUSCATION = {*range(1, 7), *range(110, 124), 250}


def check(text: str, option: str = "--compression") -> str:
    """The specification, unchanged. Raises UsageError if borg would refuse it."""
    if reason := _wrong(text.split(",")):
        raise UsageError(
            f"{option} {text!r}: {reason}",
            hint="none, lz4, zstd[,1-22], zlib[,0-9], lzma[,0-9], auto,ALGORITHM or "
            "obfuscate,LEVEL,ALGORITHM (borg help compression)",
        )
    return text


def _wrong(words: list[str]) -> str:
    name, rest = words[0], words[1:]
    if name in ("none", "lz4"):
        return ""  # borg ignores the rest
    if name in LEVELS:
        levels = LEVELS[name]
        if not rest or (len(rest) == 1 and _number(rest[0]) in levels):
            return ""
        return f"{name} has the levels {levels[0]} to {levels[-1]}"
    if name == "auto":
        return _wrong(rest) if 1 <= len(rest) <= 2 else "auto takes one algorithm and its level"
    if name == "obfuscate":
        if 2 <= len(rest) <= 4 and _number(rest[0]) in OBFUSCATION:
            return _wrong(rest[1:])
        return "obfuscate takes a level (1 to 6, 110 to 123, 250) and an algorithm"
    return f"borg has no algorithm {name!r}"


def _number(word: str) -> int | None:
    try:
        return int(word)
    except ValueError:
        return None
