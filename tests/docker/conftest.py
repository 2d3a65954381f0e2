"""Images that several files of tests need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.restores import rsync_image


@pytest.fixture(scope="session")
def rsync() -> Iterator[str]:
    """An image with a tool to compare trees that is not ours."""
    with rsync_image() as name:
        yield name
