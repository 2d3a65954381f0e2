"""The pod template of `render kube`, run as a node would run it; a Job's end by our policy.

No cluster is here: `tests/support/kubelet.py` does a kubelet's part by docker, and `jobloop.py` the
Job controller's.
"""

from __future__ import annotations

import json
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from borgpull.cli.app import app
from borgpull.drills.flip import flip_within
from borgpull.ssh.config import PINNED
from tests.support import jobloop, kubelet
from tests.support.lab import IMAGE, ROOT, Client, Lab, docker
from tests.support.podman import podman

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
INSTALLED = True  # clients have borg: how it gets there is tested elsewhere
NOBODY = 4711  # a user id that the image has no name for, as OpenShift gives them
TREE = "/srv/data/many"


@pytest.fixture(scope="module")
def client(lab: Lab) -> Client:
    """With a Python, so that `stream` reads all that a drill compares."""
    return lab.client("borgpull-borg12-client", trust=False, MANY="20")


@pytest.fixture(scope="module")
def node(lab: Lab, client: Client, tmp_path_factory: pytest.TempPathFactory) -> kubelet.Node:
    """With the Secret that docs/kubernetes.md makes."""
    folder = tmp_path_factory.mktemp("node")
    lab.pin(client.name, client.ip())
    secret = {
        "passphrase": f"{lab.passphrase}\n",
        "ssh_key": lab.key.read_text(),
        "known_hosts": (lab.state / PINNED).read_text(),
    }
    other = dict(secret, ssh_key=_other_key(folder))
    names = {f"borgpull-{client.name}": secret, "other-key": other}
    return kubelet.Node(folder, lab.network, lab.label, IMAGE, names)


def _other_key(folder: Path) -> str:
    path = folder / "other"
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(argv, check=True, timeout=30)
    return path.read_text()


def job(client: Client, *words: str, options: tuple[str, ...] = ()) -> dict[str, Any]:
    """The Job that the CronJob of a command makes."""
    return kubelet.job_of(manifests(client, *words, options=options))


def config_maps(text: str) -> dict[str, dict[str, str]]:
    """What is in the ConfigMaps of manifests."""
    found = [one for one in kubelet.documents(text) if one["kind"] == "ConfigMap"]
    return {one["metadata"]["name"]: one["data"] for one in found}


def manifests(client: Client, *words: str, options: tuple[str, ...] = ()) -> str:
    argv = ["render", "kube", "--name", client.name, *options, "--", *words]
    done = CliRunner().invoke(app, argv)
    assert done.exit_code == 0, done.output
    return done.stdout


def run(node: kubelet.Node, found: dict[str, Any]) -> tuple[jobloop.Outcome, kubelet.Ended]:
    """A Job to its end, and how its last pod ended."""
    pods: list[kubelet.Ended] = []

    def pod(_number: int) -> jobloop.Pod:
        pods.append(node.run(found["template"]))
        return jobloop.Pod(pods[-1].exit_code)

    return jobloop.run(found, pod), pods[-1]


def told(ended: kubelet.Ended) -> dict[str, Any]:
    """The termination message; Kubernetes cuts what is longer."""
    assert len(ended.message.encode()) <= 4096
    return dict(json.loads(ended.message))


def test_a_client_s_jobs(node: kubelet.Node, client: Client) -> None:
    backup = job(client, "pipe", "--init", client.address, TREE)
    for _ in range(2):  # the second one finds the volume as the first one left it
        outcome, ended = run(node, backup)
        assert outcome.succeeded, ended.output
        assert (told(ended)["verb"], told(ended)["client"]) == ("pipe", client.name)
    for verb, *more in (["check", "--verify-data"], ["prune", "--keep-last", "1"], ["check"]):
        outcome, ended = run(node, job(client, verb, client.name, *more))
        assert outcome.succeeded, ended.output
        assert told(ended)["exit_code"] == 0
    template = backup["template"]
    to = ("--how", "native", "--to", f"{client.address}:/srv/restored")
    words = ("restore", client.name, "latest", *to)
    argv, _ = node.command(template, words=words)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    client.exec("diff", "-r", TREE, f"/srv/restored{TREE}")


def test_a_drill(node: kubelet.Node, client: Client, tmp_path: Path) -> None:
    """By root, between backups of user 1000. One that finds something is not run again."""
    checks = tmp_path / "checks.yaml"
    checks.write_text("- {name: there, run: ls $BORGPULL_RESTORED/srv/data, chroot: false}\n")
    claims = ("--claim", "drilled")
    options = (*claims, "--report-claim", "reports", "--checks", str(checks))
    backup = job(client, "stream", "--init", client.address, TREE, options=claims)
    text = manifests(client, "drill", client.name, options=options)
    drill, here = kubelet.job_of(text), replace(node, config_maps=config_maps(text))
    for found in (backup, drill, backup):
        outcome, ended = run(here, found)
        assert outcome.succeeded, ended.output
    reports = node.claim("reports") / client.name
    record = json.loads((reports / "drill.json").read_text())
    assert (record["outcome"], record["isolated"]) == ("pass", False)
    assert record["proved"] == record["restored"]
    assert [one["outcome"] for one in record["checks"]] == ["pass"]
    flip_within(node.claim("drilled") / "repo" / client.name)
    outcome, ended = run(here, drill)
    assert (outcome.reason, outcome.codes) == ("PodFailurePolicy", (90,)), ended.output
    assert (told(ended)["exit_code"], told(ended)["error"]) == (90, "RestoreDiffers")
    assert '"differs"' in (reports / "drill.json").read_text()


def test_a_user_without_a_name(node: kubelet.Node, client: Client) -> None:
    found = job(client, "pipe", "--init", client.address, TREE, options=("--claim", "nobody"))
    security = found["template"]["spec"]["securityContext"]
    security |= {"runAsUser": NOBODY, "runAsGroup": 0, "fsGroup": NOBODY}
    outcome, ended = run(node, found)
    assert outcome.succeeded, ended.output


def test_a_failure_ends_where_the_policy_says(node: kubelet.Node, client: Client) -> None:
    words = ("pipe", "--init", client.address, TREE)
    key = job(client, *words, options=("--secret", "other-key"))
    outcome, ended = run(node, key)
    assert (outcome.reason, outcome.codes) == ("PodFailurePolicy", (32,)), ended.output
    assert told(ended)["exit_code"] == 32
    gone = job(client, "pipe", f"{client.address}:2299", TREE, "--name", client.name)
    outcome, ended = run(node, gone)
    assert (outcome.reason, outcome.codes) == ("BackoffLimitExceeded", (33, 33, 33)), ended.output
    assert told(ended)["error"]


def test_a_client_of_a_shard_never_stops_another(
    node: kubelet.Node, client: Client, tmp_path: Path
) -> None:
    jobs = tmp_path / "jobs"
    lines = [
        f"pipe --init --name gone {client.address}:2299 {TREE}",
        f"pipe --init {client.address} {TREE} --exclude 're:a b'",
    ]
    jobs.write_text("\n".join(lines) + "\n")
    options = ("--jobs", str(jobs), "--shards", "1", "--secret", f"borgpull-{client.name}")
    argv = ["render", "kube", "--name", "fleet", *options]
    done = CliRunner().invoke(app, argv)
    assert done.exit_code == 0, done.output
    here = replace(node, config_maps=config_maps(done.stdout))
    found = kubelet.job_of(done.stdout)
    gone, good = jobloop.run_indexed(
        found,
        lambda index, _: jobloop.Pod(here.run(found["template"], index=index).exit_code),
    )
    assert (gone.reason, gone.codes) == ("BackoffLimitExceeded", (33, 33, 33))
    assert good.succeeded, good


def test_two_pods_of_a_client_at_once(node: kubelet.Node, client: Client) -> None:
    """A CronJob's pod may be started twice. They share volumes, and no process ids."""
    words = ("pipe", "--init", "--lock-wait", "0", client.address, TREE)
    found = job(client, *words, options=("--claim", "twice"))
    outcome, ended = run(node, found)
    assert outcome.succeeded, ended.output
    names = [f"twice-{number}-{client.name}" for number in range(2)]
    for name in names:
        argv, _ = node.command(found["template"], name=name, words=("600",), entrypoint="sleep")
        subprocess.run([*argv[:2], "-d", *argv[2:]], check=True, timeout=60, capture_output=True)
    try:
        rounds = [words, ("check", "--lock-wait", "0", client.name)] * 2
        ends = [_at_once(names, wanted) for wanted in rounds]
        # The second one may come when the first one is done.
        assert {*map(tuple, ends)} <= {(0, 43), (0, 0)}, ends
        assert ends.count([0, 43]) >= 2, ends
    finally:
        docker("rm", "-f", *names, check=False)
    outcome, ended = run(node, job(client, "check", client.name, options=("--claim", "twice")))
    assert outcome.succeeded, ended.output


def _at_once(names: list[str], words: tuple[str, ...]) -> list[int]:
    codes: list[int] = []

    def pod(name: str) -> None:
        argv = ["docker", "exec", name, "borgpull", *words]
        done = subprocess.run(argv, capture_output=True, timeout=120, check=False)
        codes.append(done.returncode)

    threads = [threading.Thread(target=pod, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(codes)


def test_sshfs_as_the_overlay_has_it(node: kubelet.Node, client: Client, tmp_path: Path) -> None:
    """Built by kubectl; root, with a key that only root may read."""
    argv = ["render", "kube", "--name", client.name, "--output", str(tmp_path), "--claim", "sshfs"]
    done = CliRunner().invoke(app, [*argv, "--", "sshfs", "--init", client.address, TREE])
    assert done.exit_code == 0, done.output
    overlay = tmp_path / "overlays/sshfs-device-plugin"
    kubectl = [str(ROOT / ".venv/bin/kubectl"), "kustomize", str(overlay)]
    built = subprocess.run(kubectl, capture_output=True, text=True, timeout=60, check=True)
    outcome, ended = run(node, kubelet.job_of(built.stdout))
    assert outcome.succeeded, ended.output


def test_by_podman(
    node: kubelet.Node, client: Client, lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The same pods by an engine that is not Docker's. It gets no name of Docker's network."""
    address = f"root@{client.ip()}"
    lab.pin(client.ip(), client.ip())
    secret = node.secrets[f"borgpull-{client.name}"] | {
        "known_hosts": (lab.state / PINNED).read_text()
    }
    mine = replace(
        node, folder=tmp_path_factory.mktemp("podman"), secrets={f"borgpull-{client.name}": secret}
    )
    with podman(IMAGE) as engine:
        words = ("pipe", "--init", "--name", client.name, address, TREE)
        for wanted in (words, ("check", client.name), ("prune", "--keep-last", "1", client.name)):
            ended = engine.play(mine, job(client, *wanted)["template"])
            assert ended.exit_code == 0, ended.output
            assert told(ended)["verb"] == wanted[0]
        wrong = job(client, "pipe", "--name", client.name, f"{address}:2299", TREE)
        # Once is enough: what a Job makes of it is the same as with Docker.
        assert engine.play(mine, wrong["template"]).exit_code == 33
