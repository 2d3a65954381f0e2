"""What an admin decides is checked before a cluster sees it."""

from __future__ import annotations

from typing import Any

import pytest

from borgpull.errors import UsageError
from borgpull.renderers.kube import Settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"storage_size": "10 GB"},
        {"storage_size": "0"},
        {"memory_limit": "512m"},
        {"memory_request": "1.5Gi"},
        {"secret": "My_Secret"},
        {"claim": ""},
        {"storage_class": "-x"},
        {"fuse_resource": "fuse"},
        {"time_limit": 0},
        {"cidr": ("192.0.2.7/24",)},
        {"cidr": ("web1",)},
    ],
)
def test_what_no_cluster_would_accept(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Settings(**wrong)


def test_the_secret_has_the_name_of_the_plan() -> None:
    assert Settings().secret_of("web1") == "borgpull-web1"
    assert Settings(secret="keys").secret_of("web1") == "keys"
