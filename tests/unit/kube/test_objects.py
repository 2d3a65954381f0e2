"""From the API's JSON, in which anything may be missing or be of another type."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from borgpull.kube import objects
from borgpull.kube.objects import Thing, last_word, within
from tests.support.cluster import Cluster, ago, ran, runs, waits, word
from tests.support.manifests import rendered, shards

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def broken(item: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """A copy of the item with the value at a path, which need not be there."""
    if not path or not isinstance(item, dict | list):
        return value
    key, *rest = path
    if isinstance(item, list):
        return [broken(one, tuple(path), value) for one in item]
    return item | {str(key): broken(item.get(str(key)), tuple(rest), value)}


def paths(item: Any, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [above]
    if isinstance(item, dict):
        for key, below in item.items():
            found += paths(below, (*above, key))
    elif isinstance(item, list):
        for below in item:
            found += paths(below, above)
    return found


def whole() -> dict[str, dict[str, Any]]:
    cluster = Cluster()
    (cron,) = cluster.apply(rendered(["pipe", "root@web1", "/etc"]))
    job = cluster.job(cron, ago(2), ago(1), failed="PodFailurePolicy", completedIndexes="0")
    pod = cluster.pod(job, 0, **ran(34, ago(1), word("pipe", "web1")))
    return {"cron_job": cron, "job": job, "pod": pod}


WHOLE = whole()
READERS: dict[str, Any] = {"cron_job": objects.cron_job, "job": objects.job, "pod": objects.pod}


@pytest.mark.parametrize("kind", READERS)
@settings(deadline=None)
@given(data=st.data())
def test_nothing_is_believed(kind: str, data: st.DataObject) -> None:
    """Any part may be anything: it is read as if it was not there."""
    reader = READERS[kind]
    for found in (reader(data.draw(st.dictionaries(st.text(max_size=9), JSON))), reader({})):
        assert found.clients == () and found.verb == ""
    path = data.draw(st.sampled_from(paths(WHOLE[kind])[1:]))
    reader(broken(WHOLE[kind], path, data.draw(JSON)))


def test_what_is_read() -> None:
    cron, job = objects.cron_job(WHOLE["cron_job"]), objects.job(WHOLE["job"])
    pod = objects.pod(WHOLE["pod"])
    owners: list[tuple[Thing, str]] = [(cron, ""), (job, cron.name), (pod, job.name)]
    for thing, owner in owners:
        assert (thing.namespace, thing.verb, thing.clients) == ("backups", "pipe", ("web1",))
        assert (thing.owner, thing.dry) == (owner, False)
    assert (cron.schedule, cron.zone, cron.suspended) == ("30 2 * * *", "Europe/Berlin", False)
    assert (job.started, job.ended, job.failed, job.complete) == (ago(2), ago(1), True, False)
    assert (pod.exit_code, pod.ended, pod.told) == (34, ago(1), {})


def test_true_names_and_those_of_a_shard(tmp_path: Any) -> None:
    """A label cannot hold each name. The names of a shard are its Jobs' alone."""
    cluster = Cluster()
    odd = "_" + "x" * 90
    (cron,) = cluster.apply(rendered(["check", odd], name="x"))
    assert objects.cron_job(cron).clients == (odd,)
    assert cron["metadata"]["labels"]["borgpull-client"] != odd
    lines = "\n".join(f"pipe --name c{number} root@c{number}" for number in range(3))
    (cron,) = cluster.apply(shards(tmp_path, lines, 1))
    job = cluster.job(cron, ago(2), completedIndexes="0,2", failedIndexes="1")
    found = objects.job(job)
    assert found.indexed and found.done == {0, 2} and found.gave_up == {1}
    assert found.clients == ("c0", "c1", "c2")
    pod = objects.pod(cluster.pod(job, 2, **runs(ago(1))))
    assert (pod.clients, pod.index, pod.running) == ((), 2, ago(1))
    blanks = {"metadata": {"annotations": {"borgpull-clients": "a b\nc"}}}
    assert objects.cron_job(blanks).clients == ("a", "b", "c")


@pytest.mark.parametrize(
    ("words", "found"),
    [("", set()), ("0", {0}), ("1,3-5,7", {1, 3, 4, 5, 7}), ("2-999999999", {*range(2, 9)})],
)
def test_indexes(words: str, found: set[int]) -> None:
    assert within(words, 9) == found


def test_the_last_word_is_of_this_end_or_none() -> None:
    good = word("pipe", "web1")
    assert last_word(good, 0)["verb"] == "pipe"
    assert last_word(good, 137) == {}  # it was killed after that
    for text in ("", "nonsense", "[1]", "null", "[" * 4096, json.dumps({"exit_code": 0})):
        assert last_word(text, 0) == {}


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (waits("ImagePullBackOff"), "ImagePullBackOff"),
        ({"phase": "Pending"}, "Pending"),
        (
            {
                "phase": "Pending",
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
                ],
            },
            "Unschedulable",
        ),
        (runs(ago(1)), ""),
    ],
)
def test_what_a_pod_waits_for(status: dict[str, Any], word: str) -> None:
    assert objects.pod({"status": status}).waiting == word


def test_a_pod_that_never_began() -> None:
    """An evicted one has no container that could have ended."""
    made = {"creationTimestamp": "2026-11-27T02:00:00Z"}
    status = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."}
    found = objects.pod({"metadata": made, "status": status})
    assert found.ended is not None and found.exit_code is None
    assert (found.reason, found.message) == ("Evicted", "The node was low on memory.")


def test_the_main_container_is_the_one_that_counts() -> None:
    status = ran(40, ago(1))
    others = [{"name": name, "state": {"terminated": {"exitCode": 0}}} for name in ("a", "z")]
    status["containerStatuses"] = [others[0], *status["containerStatuses"], others[1]]
    assert objects.pod({"status": status}).exit_code == 40
    assert objects.pod({"status": {"containerStatuses": others}}).exit_code is None
    assert objects.pod({"status": {"containerStatuses": others[:1]}}).exit_code == 0


@pytest.mark.parametrize("where", ["args", "env"])
def test_a_dry_run(where: str) -> None:
    container = {"args": ["pipe", "--dry-run"], "env": [{"name": "BORGPULL_DRY_RUN"}]}
    spec = {"containers": [{where: container[where]}]}
    assert objects.pod({"spec": spec}).dry
    assert objects.job({"spec": {"template": {"spec": spec}}}).dry
