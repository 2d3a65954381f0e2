"""The manifests of restore drills: what they have beside those of other jobs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from borgpull.errors import UsageError
from tests.support.kubechecks import check
from tests.support.kubechecks.restricted import baseline
from tests.support.kubechecks.schemas import strict
from tests.support.manifests import fleet, named, objects, pod_of, rendered, shards

DRILL = ["drill", "web1", "--sample", "1/14"]


def pod(words: list[str] = DRILL, **settings: Any) -> dict[str, Any]:
    found = objects(rendered(words, **settings))
    outside = {f"PersistentVolumeClaim/{name}" for name in ("data", "reports")}
    assert check(found, outside) == [] == strict(found)
    policy = named(found, "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert not {"ingress", "egress"} & set(policy), "nobody, by no port"
    spec = pod_of(named(found, "CronJob"))
    assert not list(baseline(spec))
    return spec


def mounted(spec: dict[str, Any], path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The mount at a path, and its volume."""
    (mount,) = [one for one in spec["containers"][0]["volumeMounts"] if one["mountPath"] == path]
    (volume,) = [one for one in spec["volumes"] if one["name"] == mount["name"]]
    return mount, volume


def test_a_pod_s_interface_is_no_reason_to_refuse() -> None:
    """The policy stands for `--network none`. The text says so, and a word is not given twice."""
    assert pod()["containers"][0]["args"] == [*DRILL, "--allow-network"]
    words = [*DRILL, "--allow-network"]
    assert pod(words)["containers"][0]["args"] == words
    text = rendered(DRILL)["base/cronjob.yaml"]
    assert "must admit Pod Security baseline" in text and "hence --allow-network" in text
    assert "baseline" not in rendered(["check", "web1"])["base/cronjob.yaml"]


def test_the_scratch_is_gone_with_the_pod() -> None:
    mount, volume = mounted(pod(scratch_size="50Gi"), "/scratch")
    assert volume["emptyDir"] == {"sizeLimit": "50Gi"}
    mount, volume = mounted(pod(scratch_size="2Ti", scratch_class="fast"), "/scratch")
    # The root of a new file system has a `lost+found`, and a drill wants an empty folder.
    assert mount["subPath"] == "scratch"
    claim = volume["ephemeral"]["volumeClaimTemplate"]["spec"]
    assert claim["resources"]["requests"]["storage"] == "2Ti"
    assert claim["storageClassName"] == "fast"


def test_root_reads_the_passphrase_alone() -> None:
    spec = pod(claim="data")
    assert "fsGroup" not in spec["securityContext"]
    _, volume = mounted(spec, "/run/secrets")
    assert [item["path"] for item in volume["secret"]["items"]] == ["passphrase"]
    assert volume["secret"]["defaultMode"] == 0o400


def test_reports_go_to_a_claim() -> None:
    spec = pod(report_claim="reports")
    assert spec["containers"][0]["args"][-2:] == ["--report", "/report"]
    mount, volume = mounted(spec, "/report")
    assert volume["persistentVolumeClaim"] == {"claimName": "reports"}
    assert mount["subPath"] == "web1", "no client sees the reports of another one"
    assert "readOnly" not in mount


CHECKS = "- name: sshd\n  run: sshd -t\n  output: ^ok$\n"


def test_a_file_of_checks_goes_along(tmp_path: Path) -> None:
    """Other checks have another name, so that a Job that runs keeps its own."""
    lines, one = "drill web1\ndrill web2\n", ["drill", "web1"]
    for found in (
        objects(rendered(one, checks=CHECKS)),
        objects(fleet(tmp_path, lines, checks=CHECKS)),
        objects(shards(tmp_path, lines, 1, checks=CHECKS)),
    ):
        assert check(found) == [] == strict(found)
        (checks,) = [each for each in found if "checks.yaml" in each.get("data", {})]
        assert (checks["data"]["checks.yaml"], checks["immutable"]) == (CHECKS, True)
        for cron in [each for each in found if each["kind"] == "CronJob"]:
            _, volume = mounted(pod_of(cron), "/run/checks")
            assert volume["configMap"] == {"name": checks["metadata"]["name"]}
        assert "/run/checks/checks.yaml" in str([each for each in found if each is not checks])
    other = objects(rendered(one, checks=CHECKS + "  user: nobody\n"))
    names = {
        named(each, "ConfigMap")["metadata"]["name"]
        for each in (other, objects(rendered(one, checks=CHECKS)))
    }
    assert len(names) == 2
    assert len(objects(rendered(["check", "web1"], checks=CHECKS))) == 4


def test_a_list_and_a_shard(tmp_path: Path) -> None:
    text = "drill web1\ndrill web2 --sample 1/7\nprune web1 --keep-daily 7\n"
    found = objects(fleet(tmp_path, text, report_claim="reports"))
    assert check(found, {"PersistentVolumeClaim/reports"}) == [] == strict(found)
    crons = [one for one in found if one["kind"] == "CronJob"]
    args = [pod_of(one)["containers"][0]["args"] for one in crons]
    assert [("--report" in words, "--allow-network" in words) for words in args] == [
        (True, True),
        (True, True),
        (False, False),
    ]
    text = "drill web1\ndrill web2 --sample 1/7\n"
    found = objects(shards(tmp_path, text, 1, report_claim="reports"))
    assert check(found, {"PersistentVolumeClaim/reports"}) == [] == strict(found)
    words = named(found, "ConfigMap")["data"].values()
    assert all(f"/report/web{at}" in text for at, text in enumerate(words, 1))
    mount, _ = mounted(pod_of(named(found, "CronJob")), "/report")
    assert "subPath" not in mount


@pytest.mark.parametrize(
    ("line", "settings", "said"),
    [
        ("drill web1 --how numeric", {}, "cannot mount"),
        ("drill web1 --sample 1/7", {"checks": CHECKS}, "--sample runs no check"),
    ],
)
def test_what_no_pod_can_do(tmp_path: Path, line: str, settings: dict[str, Any], said: str) -> None:
    forms: list[Callable[[], object]] = [
        lambda: rendered(line.split(), **settings),
        lambda: fleet(tmp_path, line, **settings),
        lambda: shards(tmp_path, line, 1, **settings),
    ]
    for render in forms:
        with pytest.raises(UsageError, match=said):
            render()


@pytest.mark.parametrize(
    "wrong", [{"scratch_size": "much"}, {"scratch_class": "A b"}, {"report_claim": "../x"}]
)
def test_what_no_cluster_takes(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        rendered(DRILL, **wrong)
