"""borg's own matcher of patterns, for names that were not in its archive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

# Is a path saved, and if not: may something in it be?
Wanted = Callable[[str], tuple[bool, bool]]


def not_excluded(exclude: Sequence[str]) -> Callable[[str], bool]:
    """Would borg save a path, by the patterns of `borg create --exclude`?"""
    matcher = _matcher(_parsed(exclude))
    return lambda path: bool(matcher.match(path))


def wanted(exclude: Sequence[str]) -> Wanted | None:
    """As `of_patterns`, for patterns of `borg create --exclude`."""
    return of_patterns(_parsed(exclude)) if exclude else None


def of_patterns(patterns: Any) -> Wanted | None:
    """borg's own matcher; None if there are no patterns."""
    if not patterns:
        return None
    matcher = _matcher(patterns)
    match: Callable[[str], Any] = matcher.match

    def found(path: str) -> tuple[bool, bool]:
        saved = bool(match(path))
        return saved, saved or bool(matcher.recurse_dir)

    return found


def _parsed(exclude: Sequence[str]) -> list[Any]:
    from borg import patterns  # type: ignore[import-not-found]

    return [patterns.parse_exclude_pattern(text) for text in exclude]


def _matcher(patterns: Any) -> Any:
    from borg.patterns import PatternMatcher  # type: ignore[import-not-found]

    matcher = PatternMatcher(fallback=True)
    matcher.add_inclexcl(patterns)
    return matcher
