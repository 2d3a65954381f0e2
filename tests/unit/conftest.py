"""Fixtures of several files."""

from __future__ import annotations

import time
from collections.abc import Iterator

import hypothesis
import pytest

# A busy machine is no failure.
hypothesis.settings.register_profile("ours", deadline=None)
hypothesis.settings.load_profile("ours")


@pytest.fixture
def tokyo() -> Iterator[None]:
    """The local zone is nine hours ahead of UTC, all year."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()
