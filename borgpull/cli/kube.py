"""`borgpull status --kube`: the options that go to kubectl, and how the status is found."""

from __future__ import annotations

from typing import Annotated

import typer

from borgpull.cli.context import Way
from borgpull.cli.options import Launch
from borgpull.cli.screen import Screen
from borgpull.errors import ConfigError, UsageError
from borgpull.jobs import Status
from borgpull.results import Result
from borgpull.sidecar import in_sidecar

Kube = Annotated[
    bool, typer.Option("--kube", help="Of the jobs of a Kubernetes cluster, by your kubectl.")
]
Namespace = Annotated[
    str,
    typer.Option("--namespace", "-n", help="With --kube.", show_default="the context's"),
]
AllNamespaces = Annotated[
    bool, typer.Option("--all-namespaces", "-A", help="With --kube: look into all of them.")
]
Context = Annotated[
    str,
    typer.Option("--context", help="With --kube: of the kubeconfig.", show_default="the current"),
]


def require(kube: bool, *others: object) -> None:
    """Raises UsageError for options that are kubectl's alone; ConfigError in a container."""
    if not kube and any(others):
        raise UsageError("--namespace, --all-namespaces and --context go with --kube")
    if kube and in_sidecar():
        raise ConfigError(
            "status --kube runs on a host, by your own kubectl",
            hint="install borgpull there; a pod has no right to look at others",
        )


def looking(context: str, namespace: str, everywhere: bool) -> Way[Status]:
    """How the status of a cluster is found. No launcher is needed, and no container."""

    def way(job: Status, _launch: Launch, _screen: Screen) -> Result:
        from borgpull.kube import status
        from borgpull.kube.kubectl import Kubectl

        kubectl = Kubectl(context=context, namespace=namespace, everywhere=everywhere)
        return status.run(job, kubectl)

    return way
