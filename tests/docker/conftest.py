"""What the tests of a file share: a laboratory, and images."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.lab import Lab
from tests.support.restores import rsync_image
from tests.support.started import pytest_runtest_call, pytest_runtest_teardown

__all__ = ["lab", "pytest_runtest_call", "pytest_runtest_teardown", "rsync"]


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One for each file of tests. OWNER there is whose repositories, state and key are.

    KEEP says that no test looks for our programs on a client, INSTALLED that clients have borg.
    """
    folder = tmp_path_factory.mktemp(request.module.__name__.rpartition("_")[2])
    owner, keep, installed = (
        getattr(request.module, name, None) for name in ("OWNER", "KEEP", "INSTALLED")
    )
    with Lab(folder / "lab", owner=owner, keep=bool(keep), installed=bool(installed)) as made:
        yield made


@pytest.fixture(scope="session")
def rsync() -> Iterator[str]:
    """An image with a tool to compare trees that is not ours."""
    with rsync_image() as name:
        yield name
