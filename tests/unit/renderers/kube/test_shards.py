"""A CronJob a shard: an Indexed Job in which a client's failure is its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from borgpull import errors
from borgpull.errors import UsageError
from borgpull.renderers.kube import shards as module
from tests.support.kubechecks import check
from tests.support.kubechecks.restricted import restricted
from tests.support.kubechecks.schemas import strict
from tests.support.manifests import Objects, built, named, objects, pod_of, shards

LINES = [f"pipe root@web{at} /etc '/srv/a b$(X)'" for at in range(40)]
TEXT = "\n".join(LINES) + "\n"


def by_client(found: Objects) -> dict[str, tuple[str, str]]:
    """Each client's volume and words."""
    words = {one["metadata"]["name"]: one["data"] for one in found if one["kind"] == "ConfigMap"}
    places: dict[str, tuple[str, str]] = {}
    for one in found:
        if one["kind"] == "CronJob":
            volumes = {volume["name"]: volume for volume in pod_of(one)["volumes"]}
            claim = volumes["data"]["persistentVolumeClaim"]["claimName"]
            own = words[volumes["words"]["configMap"]["name"]]
            clients = one["metadata"]["annotations"]["borgpull-clients"].split(",")
            places |= {client: (claim, own[str(at)]) for at, client in enumerate(clients)}
    return places


def test_each_client_has_an_index_and_its_words(tmp_path: Path) -> None:
    found = objects(shards(tmp_path, TEXT, 3, parallelism=4))
    assert check(found) == [] == strict(found)
    places = by_client(found)
    assert len(places) == 40 and len({claim for claim, _ in places.values()}) == 3
    for at in range(40):
        assert json.loads(places[f"web{at}"][1]) == [
            "pipe", f"root@web{at}", "/etc", "/srv/a b$(X)",
        ]  # fmt: skip
    for one in found:
        if one["kind"] == "CronJob":
            assert not list(restricted(pod_of(one)))
            job = one["spec"]["jobTemplate"]["spec"]
            assert job["podFailurePolicy"]["rules"][1]["action"] == "FailIndex"
            assert job["podFailurePolicy"]["rules"][1]["onExitCodes"]["values"] == list(
                errors.retried()
            )
            assert job["maxFailedIndexes"] == job["completions"]
            assert job["parallelism"] == 4


def test_a_client_stays_in_its_volume_when_others_come_and_go(tmp_path: Path) -> None:
    before = by_client(objects(shards(tmp_path, TEXT, 5)))
    after = by_client(objects(shards(tmp_path, "\n".join(["pipe root@new", *LINES[7:]]), 5)))
    assert {name: after[name][0] for name in after if name != "new"} == {
        name: before[name][0] for name in before if name in after
    }


def test_another_list_has_another_name_for_its_words(tmp_path: Path) -> None:
    """A Job that runs keeps the words of its indexes."""
    one, two = (named(objects(shards(tmp_path, text, 1)), "ConfigMap")
                for text in (TEXT, "\n".join(LINES[1:])))  # fmt: skip
    assert one["immutable"] and one["metadata"]["name"] != two["metadata"]["name"]
    assert one == named(objects(shards(tmp_path, TEXT, 1)), "ConfigMap")


def test_pods_at_the_same_time_need_a_volume_for_many(tmp_path: Path) -> None:
    for most, mode in ((1, "ReadWriteOncePod"), (2, "ReadWriteMany")):
        found = objects(shards(tmp_path, TEXT, 1, parallelism=most))
        assert named(found, "PersistentVolumeClaim")["spec"]["accessModes"] == [mode]
    found = objects(shards(tmp_path, TEXT, 2, claim="mine"))
    assert {claim for claim, _ in by_client(found).values()} == {"mine-0", "mine-1"}
    assert all(one["kind"] != "PersistentVolumeClaim" for one in found)


def test_one_template_has_what_each_client_of_the_shard_needs(tmp_path: Path) -> None:
    text = "pipe root@web1\npipe --via root@jump:2200 root@web2\npipe root@web3:2222\n"
    found = objects(shards(tmp_path, text, 1))
    (secret,) = [one["secret"] for one in pod_of(named(found, "CronJob"))["volumes"]
                 if "secret" in one]  # fmt: skip
    assert "via_key" in {item["key"] for item in secret["items"]}
    egress = named(found, "NetworkPolicy")["spec"]["egress"]
    assert [port["port"] for port in egress[1]["ports"]] == [22, 2200, 2222]


def test_kustomize_builds_shards_and_their_overlays(tmp_path: Path) -> None:
    files = shards(tmp_path, TEXT.replace("pipe", "sshfs"), 2)
    assert check(built(files, tmp_path / "base")) == []
    found = built(files, tmp_path / "more", "overlays/sshfs-device-plugin")
    assert check(found) == [] == strict(found, "1.33", "1.37")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("pipe root@web1\nsocat root@web2\n", "one verb, not pipe, socat"),
        ("pipe root@web1\npipe root@web1 /etc\n", "two jobs of the list are of web1"),
        ("agent --connect-back n:30022 root@web1\n", "connect back"),
    ],
)
def test_what_no_shard_can_be(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        shards(tmp_path, text, 2)


def test_too_much_for_one_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("MOST_WORDS", "MOST_CLIENTS"):
        with monkeypatch.context() as patch:
            patch.setattr(module, limit, 100)
            with pytest.raises(UsageError) as found:
                shards(tmp_path, TEXT, 1)
            assert "--shards" in found.value.hint
