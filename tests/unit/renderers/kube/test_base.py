"""The manifests of one job: what a pod gets is what the table of needs says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from borgpull import errors
from borgpull.cli.planned import read
from borgpull.errors import UsageError
from borgpull.launchers.needs import needs
from tests.support.kubechecks import check
from tests.support.kubechecks.restricted import baseline, restricted
from tests.support.kubechecks.schemas import strict
from tests.support.manifests import (
    UNATTENDED,
    built,
    named,
    objects,
    pod_of,
    rendered,
)


@pytest.mark.parametrize("verb", UNATTENDED)
def test_a_pod_gets_what_the_table_of_needs_says(verb: str) -> None:
    wanted = needs(read(UNATTENDED[verb]))
    found = objects(rendered(UNATTENDED[verb]))
    pod = pod_of(named(found, "CronJob"))
    (secret,) = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
    assert secret["optional"], "no client has all keys"
    files = {f"/run/secrets/{item['path']}" for item in secret["items"]}
    certificates = {f"{one.target}-cert.pub" for one in wanted.secrets if one.certificate}
    assert files == {one.target for one in wanted.secrets} | certificates
    mounts = {mount["mountPath"]: mount for mount in pod["containers"][0]["volumeMounts"]}
    scratch = {wanted.scratch.target} if wanted.scratch else set()
    folders = {folder.target: folder.read_only for folder in wanted.folders}
    assert set(mounts) == {*folders, "/run/secrets", "/tmp"} | scratch
    assert {path: mounts[path].get("readOnly", False) for path in folders} == folders
    context = pod["containers"][0]["securityContext"]["capabilities"]
    assert context.get("add", []) == (list(wanted.capabilities) if wanted.root else [])
    assert pod["securityContext"]["runAsUser"] == (0 if wanted.root else 1000)
    egress = named(found, "NetworkPolicy")["spec"].get("egress", [])
    ports = [port["port"] for rule in egress for port in rule["ports"]]
    assert ports == ([53, 53, *wanted.connects_to] if wanted.connects_to else [])
    ways_in = [one for one in found if one["kind"] == "Service"]
    assert bool(ways_in) == (wanted.listens_on is not None)
    assert pod["terminationGracePeriodSeconds"] == wanted.stop_seconds


@pytest.mark.parametrize("verb", UNATTENDED)
def test_kustomize_builds_the_base(verb: str, tmp_path: Path) -> None:
    found = built(rendered(UNATTENDED[verb]), tmp_path)
    assert check(found) == [] == strict(found)
    assert_admitted(pod_of(named(found, "CronJob")), root=verb == "drill")
    by_kind = sorted(objects(rendered(UNATTENDED[verb])), key=lambda one: str(one["kind"]))
    assert sorted(found, key=lambda one: str(one["kind"])) == by_kind, "as the stream"


def assert_admitted(pod: dict[str, Any], *, root: bool) -> None:
    """By *restricted*, or by *baseline* what must be root."""
    assert not list(baseline(pod))
    assert bool(list(restricted(pod))) == root


def test_the_table_of_exit_codes_decides_what_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def codes() -> list[int]:
        spec = named(objects(rendered(UNATTENDED["pipe"])), "CronJob")["spec"]["jobTemplate"]
        ignore, fail = spec["spec"]["podFailurePolicy"]["rules"]
        assert ignore["action"] == "Ignore" and fail["action"] == "FailJob"
        found: list[int] = fail["onExitCodes"]["values"]
        return found

    assert codes() == list(errors.retried())
    monkeypatch.setattr(errors.StorageFailed, "retry", True)
    assert 54 in codes()


def test_the_words_arrive_as_they_were_written() -> None:
    """Kubelet makes `$$` a dollar sign, and puts variables in place of `$(NAME)`."""
    words = ["pipe", "root@web1", "/a $(HOME)", "/b$$", "/c$x", "/d 'e' \"f\" #"]
    (container,) = pod_of(named(objects(rendered(words)), "CronJob"))["containers"]
    as_kubelet = [re.sub(r"\$\$", "$", re.sub(r"(?<!\$)\$\(\w+\)", "BAD", word))
                  for word in container["args"]]  # fmt: skip
    assert as_kubelet == words


def test_a_client_has_one_volume_for_all_its_jobs() -> None:
    backup, prune = (objects(rendered(UNATTENDED[verb], verb)) for verb in ("pipe", "prune"))
    assert named(backup, "PersistentVolumeClaim") == named(prune, "PersistentVolumeClaim")
    other = objects(rendered(UNATTENDED["prune"], "prune", claim="mine"))
    assert all(document["kind"] != "PersistentVolumeClaim" for document in other)
    assert check(other) and not check(other, {"PersistentVolumeClaim/mine"})


def test_the_true_name_of_a_client_is_on_everything_that_runs() -> None:
    found = named(objects(rendered(["pipe", "--name", "Web_1-", "root@web1"])), "CronJob")
    job = found["spec"]["jobTemplate"]
    for one in (found, job, job["spec"]["template"]):
        assert one["metadata"]["annotations"] == {"borgpull-client": "Web_1-"}
        assert one["metadata"]["labels"]["borgpull-client"].startswith("Web_1-")
        assert one["metadata"]["labels"]["app.kubernetes.io/component"] == "pipe"


def test_two_renderings_are_the_same_bytes() -> None:
    files = rendered(UNATTENDED["sshfs"])
    assert files == rendered(UNATTENDED["sshfs"])
    assert not any(re.search(r"[:-] [&*]id", text) for text in files.values()), "for readers"


def test_agent_needs_a_port_of_the_nodes() -> None:
    for words in (["agent", "root@web1"], ["agent", "--connect-back", "n1:2222", "root@web1"]):
        with pytest.raises(UsageError) as found:
            rendered(words)
        assert "30000 to 32767" in found.value.hint
    files = rendered(UNATTENDED["agent"])
    (port,) = named(objects(files), "Service")["spec"]["ports"]
    assert port["port"] == port["targetPort"] == port["nodePort"] == 30022
    ingress = named(objects(files), "NetworkPolicy")["spec"]["ingress"]
    assert ingress == [{"ports": [{"protocol": "TCP", "port": 30022}]}]


def test_networks_limit_the_way_out() -> None:
    files = rendered(UNATTENDED["pipe"], cidr=("192.0.2.0/24", "2001:db8::/32"))
    policy = named(objects(files), "NetworkPolicy")
    assert [one["ipBlock"]["cidr"] for one in policy["spec"]["egress"][1]["to"]] == [
        "192.0.2.0/24",
        "2001:db8::/32",
    ]
    assert "any machine" not in files["base/networkpolicy.yaml"]
    assert "any machine" in rendered(UNATTENDED["pipe"])["base/networkpolicy.yaml"]
