"""`borgpull render kube`: manifests of CronJobs."""

from __future__ import annotations

from typing import Annotated

import typer

from borgpull.cli.groups import Only
from borgpull.cli.options import Cluster, Launch, Through, Timing, Where
from borgpull.cli.rendered import Name, Output, put
from borgpull.cli.retention import seconds
from borgpull.errors import UsageError
from borgpull.renderers.kube import Settings, render, stream


def render_kube(
    words: Annotated[
        list[str],
        typer.Argument(metavar="-- COMMAND...", help="As for borgpull: pipe root@web1 /etc"),
    ],
    *,
    name: Name,
    timing: Timing,
    cluster: Cluster,
    launch: Annotated[Launch, Only("image")],
    output: Output = None,
) -> None:
    """Manifests of a CronJob, ready for kustomize. Printed, they are for kubectl apply."""
    from borgpull.cli.planned import plan

    found = plan(name, words, timing, Where(), Through(), launch)
    if found.needs.mounts and output is None:
        raise UsageError(
            f"{words[0]} needs more than the base, which alone would be printed",
            hint="--output FOLDER, then kubectl apply --kustomize FOLDER/overlays/NAME",
        )
    files = render(found, settings(cluster))
    if output is None:
        typer.echo(stream(files), nl=False)
    else:
        put(files, output)


def settings(cluster: Cluster) -> Settings:
    """Raises UsageError."""
    return Settings(
        secret=cluster.secret,
        claim=cluster.claim,
        storage_class=cluster.storage_class,
        storage_size=cluster.storage_size,
        memory_request=cluster.memory_request,
        memory_limit=cluster.memory_limit,
        time_limit=seconds(cluster.time_limit) or 0,
        cidr=tuple(cluster.cidr or ()),
        fuse_resource=cluster.fuse_resource,
    )
