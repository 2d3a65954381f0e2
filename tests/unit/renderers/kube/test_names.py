"""Names and labels: what a cluster takes stays, all else gets a hash."""

from __future__ import annotations

import random
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from borgpull.renderers.kube.names import (
    CRON_JOB_LENGTH,
    LABEL_LENGTH,
    dns_name,
    label,
    object_name,
)
from tests.support.kubechecks import check
from tests.support.kubechecks.forms import is_label, is_subdomain, is_value
from tests.support.kubechecks.schemas import strict
from tests.support.manifests import named, objects, pod_of, rendered

CLIENTS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", fullmatch=True)


@pytest.mark.parametrize("name", ["web1", "a", "w" * 52, "web1-2", "x--y"])
def test_a_name_that_will_do_stays(name: str) -> None:
    assert dns_name(name, CRON_JOB_LENGTH) == label(name) == name


@given(CLIENTS)
def test_each_name_is_one_that_a_cluster_takes(client: str) -> None:
    name = dns_name(client, CRON_JOB_LENGTH)
    assert is_label(name) and len(name) <= CRON_JOB_LENGTH
    assert is_label(dns_name(f"borgpull-{client}"))
    named = object_name(f"borgpull-{client}")
    assert is_subdomain(named) and len(named) <= LABEL_LENGTH
    assert is_value(label(client)) and label(client)


def test_two_clients_have_two_names() -> None:
    """Also if they differ in what a name cannot hold, or behind its end."""
    alike = ["Web1", "web1", "web_1", "web.1", "web-1", "_web1", "web1-", "WEB1"]
    long = [f"{'client' * 12}-{at}.example.org" for at in range(2000)]
    rng = random.Random(17)
    letters = "abcXYZ019._-"
    others = {"c" + "".join(rng.choices(letters, k=rng.randint(1, 100))) for _ in range(10_000)}
    clients = {*alike, *long, *others}
    for name in (partial(dns_name, length=CRON_JOB_LENGTH), object_name, label):
        assert len({name(one) for one in clients}) == len(clients)


def test_a_name_stays_from_version_to_version() -> None:
    """Another one would be another CronJob and another, empty volume."""
    assert dns_name("web_1") == "web-1-c703c3ba9dda" == object_name("web_1")
    assert dns_name("w" * 60, 20) == "wwwwwww-e0bd8d50bd21"
    assert dns_name("__") == "x-9911f4d2b184"
    assert label("web1-") == "web1-e30bd4306546"


def test_the_secret_and_the_claim_are_called_as_the_documents_say() -> None:
    """`borgpull-NAME`, wherever an object may have that name: clients often are host names."""
    for client in ("web1", "web1.example.org", "192.0.2.7", "2001-db8--1"):
        words = ["pipe", "--name", client, "root@there"]
        found = objects(rendered(words, client))
        assert named(found, "PersistentVolumeClaim")["metadata"]["name"] == f"borgpull-{client}"
        volumes = pod_of(named(found, "CronJob"))["volumes"]
        (secret,) = [volume["secret"] for volume in volumes if "secret" in volume]
        assert secret["secretName"] == f"borgpull-{client}"
        assert not check(found) and not strict(found)
