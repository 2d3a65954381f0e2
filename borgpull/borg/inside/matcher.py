"""borg's own matcher of patterns, for names that were not in its archive."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def not_excluded(exclude: Sequence[str]) -> Callable[[str], bool]:
    """Would borg save a path, by the patterns of `borg create --exclude`?"""
    from borg import patterns  # type: ignore[import-not-found]

    matcher = patterns.PatternMatcher(fallback=True)
    matcher.add_inclexcl([patterns.parse_exclude_pattern(text) for text in exclude])
    return lambda path: bool(matcher.match(path))
