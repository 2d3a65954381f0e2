"""The checker of manifests: mistakes that a hand or a patch makes, each is caught.

Strict schemas see some of them. A test says of each by whom it is caught, so that both stay useful.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.kubechecks import check
from tests.support.kubechecks.restricted import baseline, restricted
from tests.support.kubechecks.schemas import strict
from tests.support.manifests import UNATTENDED, Objects, named, objects, pod_of, rendered, shards

GONE = object()
SPEC, JOB = "spec", "spec.jobTemplate.spec"
POD = f"{JOB}.template.spec"
MAIN = f"{POD}.containers.0"
RULES = f"{JOB}.podFailurePolicy.rules"


class Mistake(NamedTuple):
    kind: str
    path: str
    value: object
    by: str = "checker"  # or schema


ONE = {
    "two runs at once": Mistake("CronJob", f"{SPEC}.concurrencyPolicy", "Allow"),
    "a policy that there is not": Mistake("CronJob", f"{SPEC}.concurrencyPolicy", "forbid"),
    "six fields": Mistake("CronJob", f"{SPEC}.schedule", "0 30 2 * * *"),
    "minute 61": Mistake("CronJob", f"{SPEC}.schedule", "61 2 * * *"),
    "a day that never comes": Mistake("CronJob", f"{SPEC}.schedule", "0 0 30 2 *"),
    "a Sunday of cron alone": Mistake("CronJob", f"{SPEC}.schedule", "30 2 * * 7"),
    "a zone in the schedule": Mistake("CronJob", f"{SPEC}.schedule", "TZ=UTC 30 2 * * *"),
    "no such zone": Mistake("CronJob", f"{SPEC}.timeZone", "Europe/Berln"),
    "no zone": Mistake("CronJob", f"{SPEC}.timeZone", GONE),
    "a long name": Mistake("CronJob", "metadata.name", "w" * 53),
    "capitals in a name": Mistake("CronJob", "metadata.name", "Web1"),
    "a name with an underscore": Mistake("PersistentVolumeClaim", "metadata.name", "web_1"),
    "no deadline for a start": Mistake("CronJob", f"{SPEC}.startingDeadlineSeconds", GONE),
    "a deadline between two looks": Mistake("CronJob", f"{SPEC}.startingDeadlineSeconds", 5),
    "no history": Mistake("CronJob", f"{SPEC}.failedJobsHistoryLimit", 0),
    "no time limit": Mistake("CronJob", f"{JOB}.activeDeadlineSeconds", GONE),
    "a history that goes": Mistake("CronJob", f"{JOB}.ttlSecondsAfterFinished", 60),
    "no end of retries": Mistake("CronJob", f"{JOB}.backoffLimit", GONE),
    "restart beside the policy": Mistake("CronJob", f"{POD}.restartPolicy", "OnFailure"),
    "restart always": Mistake("CronJob", f"{POD}.restartPolicy", "Always"),
    "another container's codes": Mistake("CronJob", f"{RULES}.1.onExitCodes.containerName", "main"),
    "codes out of order": Mistake("CronJob", f"{RULES}.1.onExitCodes.values", [43, 33]),
    "no codes": Mistake("CronJob", f"{RULES}.1.onExitCodes.values", []),
    "an operator that there is not": Mistake(
        "CronJob", f"{RULES}.1.onExitCodes.operator", "NotEqual"
    ),
    "an action that there is not": Mistake("CronJob", f"{RULES}.1.action", "Fail"),
    "an index where there is none": Mistake("CronJob", f"{RULES}.1.action", "FailIndex"),
    "a status as a truth": Mistake(
        "CronJob", f"{RULES}.0.onPodConditions.0.status", True, "schema"
    ),
    "a drained node counts": Mistake("CronJob", f"{RULES}.0", GONE),
    "no policy of failures": Mistake("CronJob", f"{JOB}.podFailurePolicy", GONE),
    "killed in the clean-up": Mistake("CronJob", f"{POD}.terminationGracePeriodSeconds", 5),
    "the result elsewhere": Mistake("CronJob", f"{MAIN}.terminationMessagePath", "/dev/result"),
    "the end of a log as the result": Mistake("CronJob", f"{MAIN}.terminationMessagePolicy", "Log"),
    "a token": Mistake("CronJob", f"{POD}.automountServiceAccountToken", GONE),
    "a Service's variables": Mistake("CronJob", f"{POD}.enableServiceLinks", True),
    "another account": Mistake("CronJob", f"{POD}.serviceAccountName", "admin"),
    "a pull policy that there is not": Mistake("CronJob", f"{MAIN}.imagePullPolicy", "Missing"),
    "a variable of the cluster's": Mistake("CronJob", f"{MAIN}.args.0", "$(HOME)"),
    "a variable twice": Mistake(
        "CronJob",
        f"{MAIN}.env",
        [{"name": "BORGPULL_RESULT_FILE", "value": "/dev/termination-log"}] * 2,
    ),
    "megabytes in small letters": Mistake("CronJob", f"{MAIN}.resources.limits.memory", "512mb"),
    "thousandths of bytes": Mistake("CronJob", f"{MAIN}.resources.limits.memory", "512m"),
    "more asked than allowed": Mistake("CronJob", f"{MAIN}.resources.requests.memory", "4Gi"),
    "no limit of memory": Mistake("CronJob", f"{MAIN}.resources.limits", GONE),
    "a size with a blank": Mistake("CronJob", f"{POD}.volumes.2.emptyDir.sizeLimit", "64 Mi"),
    "a medium that there is not": Mistake("CronJob", f"{POD}.volumes.2.emptyDir.medium", "RAM"),
    "a volume that nothing mounts": Mistake("CronJob", f"{MAIN}.volumeMounts.2", GONE),
    "a mount of no volume": Mistake("CronJob", f"{MAIN}.volumeMounts.0.name", "dat"),
    "a volume of two kinds": Mistake("CronJob", f"{POD}.volumes.0.emptyDir", {"sizeLimit": "1Gi"}),
    "one folder for both": Mistake("CronJob", f"{MAIN}.volumeMounts.1.subPath", "repo"),
    "a way out of the volume": Mistake("CronJob", f"{MAIN}.volumeMounts.1.subPath", "../state"),
    "two mounts at one place": Mistake("CronJob", f"{MAIN}.volumeMounts.1.mountPath", "/repo"),
    "no place to write": Mistake("CronJob", f"{MAIN}.volumeMounts.3.mountPath", "/scratch"),
    "a mode in decimal": Mistake("CronJob", f"{POD}.volumes.1.secret.defaultMode", 440),
    "a mode as text": Mistake("CronJob", f"{POD}.volumes.1.secret.defaultMode", "0440", "schema"),
    "a key for root alone": Mistake("CronJob", f"{POD}.volumes.1.secret.defaultMode", 0o400),
    "a key for all": Mistake("CronJob", f"{POD}.volumes.1.secret.defaultMode", 0o444),
    "no group for the key": Mistake("CronJob", f"{POD}.securityContext.fsGroup", GONE),
    "a chown of every file": Mistake(
        "CronJob", f"{POD}.securityContext.fsGroupChangePolicy", "Always"
    ),
    "a capability by its long name": Mistake(
        "CronJob", f"{MAIN}.securityContext.capabilities.add", ["CAP_CHOWN"]
    ),
    "a user below zero": Mistake("CronJob", f"{POD}.securityContext.runAsUser", -1),
    "labels that differ": Mistake(
        "CronJob", f"{JOB}.template.metadata.labels.borgpull-client", "web2"
    ),
    "a label with a blank": Mistake("CronJob", "metadata.labels.borgpull-client", "web 1"),
    "a number as a note": Mistake("CronJob", "metadata.annotations.borgpull-client", 1, "schema"),
    "a field with a slip": Mistake("CronJob", f"{JOB}.backofLimit", 2, "schema"),
    "no claim of that name": Mistake(
        "CronJob", f"{POD}.volumes.0.persistentVolumeClaim.claimName", "web1"
    ),
    "a mode of access that there is not": Mistake(
        "PersistentVolumeClaim", f"{SPEC}.accessModes", ["RWOP"]
    ),
    "a mode beside the single one": Mistake(
        "PersistentVolumeClaim", f"{SPEC}.accessModes", ["ReadWriteOncePod", "ReadWriteOnce"]
    ),
    "a volume of ten bytes": Mistake(
        "PersistentVolumeClaim", f"{SPEC}.resources.requests.storage", "10"
    ),
    "a network with a host's bits": Mistake(
        "NetworkPolicy", f"{SPEC}.egress.1.to", [{"ipBlock": {"cidr": "192.0.2.7/24"}}]
    ),
    "a policy of no pod": Mistake(
        "NetworkPolicy", f"{SPEC}.podSelector.matchLabels.borgpull-client", "web2"
    ),
    "a policy of all pods": Mistake("NetworkPolicy", f"{SPEC}.podSelector", {}),
    "one way forgotten": Mistake("NetworkPolicy", f"{SPEC}.policyTypes", ["Ingress"]),
    "all ports": Mistake("NetworkPolicy", f"{SPEC}.egress.1.ports", GONE),
    "a port beyond all": Mistake("NetworkPolicy", f"{SPEC}.egress.1.ports.0.port", 70000),
    "a protocol that there is not": Mistake(
        "NetworkPolicy", f"{SPEC}.egress.0.ports.0.protocol", "udp"
    ),
    "no port of a node": Mistake("Service", f"{SPEC}.ports.0.nodePort", 2222),
    "a Service of no pod": Mistake("Service", f"{SPEC}.selector.borgpull-client", "web2"),
    "a Service that begins with a digit": Mistake("Service", "metadata.name", "1back"),
    "an account's token": Mistake("ServiceAccount", "automountServiceAccountToken", GONE),
}
SHARD = {
    "one failure ends all": Mistake("CronJob", f"{JOB}.maxFailedIndexes", 1),
    "no limit for an index": Mistake("CronJob", f"{JOB}.backoffLimitPerIndex", GONE),
    "no indexes": Mistake("CronJob", f"{JOB}.completionMode", GONE),
    "indexes by a slip": Mistake("CronJob", f"{JOB}.completionMode", "indexed"),
    "an index without words": Mistake("CronJob", f"{JOB}.completions", 4),
    "more at a time than there are": Mistake("CronJob", f"{JOB}.parallelism", 9),
    "words that change": Mistake("ConfigMap", "immutable", GONE),
    "a key with a slash": Mistake("ConfigMap", "data", {"0/1": "[]", "1": "[]", "2": "[]"}),
    "another index's variable": Mistake("CronJob", f"{MAIN}.args.1", "/run/words/$(INDEX)"),
    "a number for words": Mistake("ConfigMap", "data.0", 7, "schema"),
}
# What Pod Security forbids; all of it is valid.
FORBIDDEN = {
    "root": (f"{POD}.securityContext.runAsUser", 0),
    "root perhaps": (f"{POD}.securityContext.runAsNonRoot", GONE),
    "no seccomp": (f"{POD}.securityContext.seccompProfile", GONE),
    "seccomp off": (f"{POD}.securityContext.seccompProfile.type", "Unconfined"),
    "AppArmor off": (f"{POD}.securityContext.appArmorProfile", {"type": "Unconfined"}),
    "escalation": (f"{MAIN}.securityContext.allowPrivilegeEscalation", GONE),
    "capabilities kept": (f"{MAIN}.securityContext.capabilities.drop", ["CHOWN"]),
    "a capability": (f"{MAIN}.securityContext.capabilities.add", ["SYS_ADMIN"]),
    "privileged": (f"{MAIN}.securityContext.privileged", True),
    "the host's network": (f"{POD}.hostNetwork", True),
    "the host's processes": (f"{POD}.hostPID", True),
    "a folder of the host": (f"{POD}.volumes.0", {"name": "data", "hostPath": {"path": "/srv"}}),
    "a port of the host": (f"{MAIN}.ports", [{"containerPort": 22, "hostPort": 22}]),
    "an open proc": (f"{MAIN}.securityContext.procMount", "Unmasked"),
    "a host in a probe": (f"{MAIN}.livenessProbe", {"tcpSocket": {"host": "x", "port": 1}}),
}


def set_in(node: Any, path: str, value: object) -> None:
    *steps, last = path.split(".")
    for step in steps:
        node = node[int(step) if isinstance(node, list) else step]
    key: Any = int(last) if isinstance(node, list) else last
    if value is GONE:
        del node[key]
    else:
        node[key] = value


def caught(good: Objects, mistake: Mistake) -> str:
    """By whom; the checker sees only what the schema lets pass."""
    bad = copy.deepcopy(good)
    (document,) = [one for one in bad if one["kind"] == mistake.kind]
    set_in(document, mistake.path, mistake.value)
    if strict([document], "1.37"):
        return "schema"
    return "checker" if check(bad) else "nobody"


@pytest.fixture(scope="module")
def one() -> Objects:
    """All kinds of objects of a single job."""
    return objects(rendered(UNATTENDED["agent"]))


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Objects:
    lines = "".join(f"pipe root@web{at}\n" for at in range(3))
    return objects(shards(tmp_path_factory.mktemp("jobs"), lines, 1, parallelism=2))


def test_there_is_nothing_to_catch_before(one: Objects, shard: Objects) -> None:
    assert check(one) == check(shard) == []
    assert strict([*one, *shard]) == []


@pytest.mark.parametrize("name", ONE)
def test_a_mistake_in_a_single_job_is_caught(name: str, one: Objects) -> None:
    assert caught(one, ONE[name]) == ONE[name].by


@pytest.mark.parametrize("name", SHARD)
def test_a_mistake_in_a_shard_is_caught(name: str, shard: Objects) -> None:
    assert caught(shard, SHARD[name]) == SHARD[name].by


def test_objects_that_do_not_belong_there_are_caught(one: Objects) -> None:
    meta = {"name": "x"}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"a": "b"}}
    rights = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta}
    for more in (secret, rights, one[0]):
        assert check([*one, more])


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_restricted_forbids_is_caught(name: str, one: Objects) -> None:
    (cron_job,) = [copy.deepcopy(document) for document in one if document["kind"] == "CronJob"]
    assert not list(restricted(pod_of(cron_job)))
    path, value = FORBIDDEN[name]
    set_in(cron_job, path, value)
    assert list(restricted(pod_of(cron_job)))
    if name != "a port of the host":
        assert not [text for text in strict([cron_job], "1.37") if "appArmor" not in text]


# What *baseline* lets pass of that.
ALLOWED = {"root", "root perhaps", "no seccomp", "escalation", "capabilities kept"}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_baseline_forbids_is_caught(name: str) -> None:
    cron_job = named(objects(rendered(UNATTENDED["drill"])), "CronJob")
    assert not list(baseline(pod_of(cron_job)))
    path, value = FORBIDDEN[name]
    if name != "root perhaps":  # it is root already
        set_in(cron_job, path, value)
    assert bool(list(baseline(pod_of(cron_job)))) == (name not in ALLOWED)


def test_versions_differ_in_what_they_forbid(one: Objects) -> None:
    """Hosts in probes since 1.34; root is allowed in a user namespace since 1.35."""
    (cron_job,) = [copy.deepcopy(document) for document in one if document["kind"] == "CronJob"]
    spec = pod_of(cron_job)
    spec["containers"][0]["livenessProbe"] = {"tcpSocket": {"host": "x", "port": 1}}
    assert [bool(list(restricted(spec, minor))) for minor in (33, 34)] == [False, True]
    del spec["containers"][0]["livenessProbe"]
    spec["securityContext"]["runAsUser"], spec["hostUsers"] = 0, False
    assert [bool(list(restricted(spec, minor))) for minor in (34, 35)] == [True, False]
    spec["containers"][0]["securityContext"]["capabilities"]["add"] = ["SYS_ADMIN"]
    assert list(restricted(spec, 37)), "capabilities are never waived"


@pytest.mark.parametrize("verb", UNATTENDED)
def test_what_we_render_is_clean(verb: str, tmp_path: Path) -> None:
    found = objects(rendered(UNATTENDED[verb]))
    assert check(found) == [] == strict(found)
    (cron_job,) = [document for document in found if document["kind"] == "CronJob"]
    admits = baseline if verb == "drill" else restricted
    for minor in (29, 33, 37):
        assert not list(admits(pod_of(cron_job), minor))
