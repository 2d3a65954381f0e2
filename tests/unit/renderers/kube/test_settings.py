"""What an admin decides is checked before a cluster sees it."""

from __future__ import annotations

from typing import Any

import pytest

from borgpull.errors import UsageError
from borgpull.renderers.kube import Settings
from tests.support.manifests import UNATTENDED, named, objects, rendered


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
        {"time_limit": 2**31},
        {"cidr": ("192.0.2.7/24",)},
        {"cidr": ("web1",)},
        {"cidr": ("fe80::%eth0/64",)},
        {"secret": "a..b"},
        {"claim": "a.-b"},
        {"claim": "a\n"},
        {"storage_class": "x" * 254},
        {"memory_request": "4Gi"},
        {"memory_request": "600M", "memory_limit": "512Mi"},
    ],
)
def test_what_no_cluster_would_accept(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Settings(**wrong)


def test_the_secret_has_the_name_of_the_plan() -> None:
    assert Settings().secret_of("web1") == "borgpull-web1"
    assert Settings(secret="keys").secret_of("web1") == "keys"


def test_networks_are_written_as_a_cluster_takes_them() -> None:
    cidr = ("192.0.2.1", "192.0.2.0/255.255.255.0", "2001:DB8::1", "2001:db8:0::/32", "0.0.0.0/0")
    wanted = ["192.0.2.1/32", "192.0.2.0/24", "2001:db8::1/128", "2001:db8::/32", "0.0.0.0/0"]
    assert Settings(cidr=cidr).networks == wanted
    files = rendered(UNATTENDED["pipe"], cidr=cidr)
    rule = named(objects(files), "NetworkPolicy")["spec"]["egress"][1]
    assert [one["ipBlock"]["cidr"] for one in rule["to"]] == wanted


def test_memory_by_any_unit() -> None:
    assert Settings(memory_request="2097152Ki", memory_limit="2Gi").memory_limit == "2Gi"
