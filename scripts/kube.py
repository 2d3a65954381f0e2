#!/usr/bin/env python3
"""`make kube CONTEXT=...`: the manifests of `render kube` on a cluster that the user names.

It makes two namespaces there, and removes them. The cluster must be able to get the images borgpull
and borgpull-client, for instance by `kind load docker-image`; or others that IMAGE and CLIENT_IMAGE
name. Without a cluster nothing is verified, which is never a success.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BORGPULL, KUBECTL = (str(ROOT / ".venv/bin" / name) for name in ("borgpull", "kubectl"))
CONTEXT = os.environ.get("CONTEXT", "")
IMAGE = os.environ.get("IMAGE") or "borgpull"
CLIENT_IMAGE = os.environ.get("CLIENT_IMAGE") or "borgpull-client"
NO_CLUSTER = 3
SECONDS = 300  # for a Job, with the pulling of its image
CLIENT = "web1"
TREE = "/srv/data"


class Failed(Exception):
    """What was to be shown is not so."""


@dataclass(frozen=True)
class Cluster:
    namespace: str

    def kubectl(self, *words: str, stdin: str | None = None, timeout: float = 120) -> str:
        argv = [KUBECTL, "--context", CONTEXT, "--namespace", self.namespace, *words]
        done = subprocess.run(
            argv, input=stdin, capture_output=True, text=True, timeout=timeout, check=False
        )
        if done.returncode != 0:
            raise Failed(f"kubectl {' '.join(words[:3])}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, *objects: dict[str, Any]) -> None:
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "--filename", "-", stdin=json.dumps(listed))

    def job(self, name: str) -> tuple[str, list[int]]:
        """Start a CronJob's Job, and wait: its condition, and its pods' exit codes."""
        run = f"{name}-{uuid.uuid4().hex[:5]}"
        self.kubectl("create", "job", run, f"--from=cronjob/{name}")
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            status = json.loads(self.kubectl("get", "job", run, "--output", "json"))["status"]
            for condition in status.get("conditions", []):
                if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
                    return str(condition.get("reason") or condition["type"]), self.codes(run)
            time.sleep(2)
        raise Failed(f"Job {run} did not end in {SECONDS} s")

    def codes(self, job: str) -> list[int]:
        """Of a Job's pods, in turn; their termination messages are ours."""
        words = ("get", "pods", "--selector", f"job-name={job}", "--output", "json")
        pods = json.loads(self.kubectl(*words))["items"]
        pods.sort(key=lambda pod: pod["metadata"]["creationTimestamp"])
        ended = [pod["status"]["containerStatuses"][0]["state"]["terminated"] for pod in pods]
        for state in ended:
            if json.loads(state["message"])["exit_code"] != state["exitCode"]:
                raise Failed(f"a termination message that is not ours: {state}")
        return [state["exitCode"] for state in ended]


def main() -> int:
    if not CONTEXT:
        print("not verified: no cluster. Name one: make kube CONTEXT=NAME")
        return NO_CLUSTER
    try:
        version = Cluster("default").kubectl("version", "--output", "json", timeout=60)
        print(f"cluster {CONTEXT}: {json.loads(version)['serverVersion']['gitVersion']}")
    except (Failed, KeyError, subprocess.TimeoutExpired) as error:
        print(f"not verified: no cluster: {error}")
        return NO_CLUSTER
    name = f"borgpull-verify-{uuid.uuid4().hex[:6]}"
    try:
        with (
            namespace(f"{name}-clients", "privileged") as clients,
            tempfile.TemporaryDirectory() as at,
            namespace(name, "restricted") as servers,
        ):
            show(clients, servers, Path(at))
    except Failed as error:
        print(f"FAILED: {error}")
        return 1
    print("verified")
    return 0


@contextmanager
def namespace(name: str, level: str) -> Iterator[Cluster]:
    cluster = Cluster(name)
    labels = {"pod-security.kubernetes.io/enforce": level}
    try:
        meta = {"name": name, "labels": labels}
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
        yield cluster
    finally:
        cluster.kubectl("delete", "namespace", name, "--wait=true", timeout=SECONDS)


def show(clients: Cluster, servers: Cluster, folder: Path) -> None:
    """The same as tests/docker/test_kube.py, by the cluster's own controllers."""
    address = f"root@{CLIENT}.{clients.namespace}.svc"
    secret(servers, client(clients, folder), address, folder)
    backup = ("pipe", "--init", "--name", CLIENT, address, TREE)
    good = ("Complete", "CompletionsReached")
    steps: list[tuple[str, Sequence[str], Callable[[str, list[int]], bool]]] = [
        ("backup", backup, lambda reason, codes: reason in good and codes == [0]),
        ("check", ("check", CLIENT), lambda reason, codes: reason in good and codes == [0]),
        (
            "prune",
            ("prune", CLIENT, "--keep-last", "1"),
            lambda reason, codes: reason in good and codes == [0],
        ),
        (
            "nobody",
            ("pipe", "--name", CLIENT, f"{address}:2299", TREE),
            lambda reason, codes: (reason, codes) == ("BackoffLimitExceeded", [33] * 3),
        ),
        (
            "nothing",
            ("pipe", "--name", CLIENT, address, "/no/such/path"),
            lambda reason, codes: (reason, codes) == ("PodFailurePolicy", [36]),
        ),
    ]
    for name, words, right in steps:
        servers.kubectl("apply", "--filename", "-", stdin=rendered(name, words))
        reason, codes = servers.job(name)
        print(f"{name}: {reason}, exit codes {codes}")
        if not right(reason, codes):
            raise Failed(f"{name} ended otherwise than the policy says")
    argv = [BORGPULL, "status", "--kube", "--context", CONTEXT, "--namespace", servers.namespace]
    print(subprocess.run(argv, capture_output=True, text=True, check=False).stdout)


def rendered(name: str, words: Sequence[str]) -> str:
    """The manifests of a job. The backup brings the claim, by the client's name."""
    claim = [] if name == "backup" else ["--claim", f"borgpull-{CLIENT}"]
    options = ["--name", name, "--secret", "borgpull", "--image", IMAGE, *claim]
    argv = [BORGPULL, "render", "kube", *options, "--", *words]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def client(clients: Cluster, folder: Path) -> str:
    """A machine with sshd; its host key."""
    key = folder / "ssh_key"
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(argv, check=True, timeout=30)
    labels = {"app": CLIENT}
    volume = {"name": "keys", "configMap": {"name": "keys"}}
    mount = {"name": "keys", "mountPath": "/authorized_keys", "subPath": "authorized_keys"}
    container = {
        "name": "sshd",
        "image": CLIENT_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "volumeMounts": [mount],
        "readinessProbe": {"tcpSocket": {"port": 22}},
    }
    public = key.with_suffix(".pub").read_text()
    clients.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "keys"},
            "data": {"authorized_keys": public},
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": CLIENT, "labels": labels},
            "spec": {"containers": [container], "volumes": [volume]},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": CLIENT},
            "spec": {"selector": labels, "ports": [{"port": 22}]},
        },
    )
    ready = ("wait", "--for=condition=Ready", f"pod/{CLIENT}", f"--timeout={SECONDS}s")
    clients.kubectl(*ready, timeout=SECONDS + 20)
    scan = ("exec", CLIENT, "--", "ssh-keyscan", "-t", "ed25519", "127.0.0.1")
    return clients.kubectl(*scan).split(" ", 1)[1].strip()


def secret(servers: Cluster, host_key: str, address: str, folder: Path) -> None:
    host = address.partition("@")[2]
    (folder / "known_hosts").write_text(f"{host} {host_key}\n[{host}]:2299 {host_key}\n")
    (folder / "passphrase").write_text(f"{uuid.uuid4().hex}\n")
    names = ("ssh_key", "known_hosts", "passphrase")
    files = [f"--from-file={name}={folder / name}" for name in names]
    servers.kubectl("create", "secret", "generic", "borgpull", *files)


if __name__ == "__main__":
    sys.exit(main())
