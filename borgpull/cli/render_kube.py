"""`borgpull render kube`: manifests of CronJobs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import typer

from borgpull.cli.cluster import Cluster
from borgpull.cli.groups import Only
from borgpull.cli.options import Launch, Through, Where
from borgpull.cli.rendered import Name, Output, Timing, put
from borgpull.errors import UsageError
from borgpull.renderers import Files, kube


def render_kube(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="-- COMMAND...", help="As for borgpull: pipe root@web1 /etc"),
    ] = None,
    *,
    name: Name,
    timing: Timing,
    cluster: Cluster,
    launch: Annotated[Launch, Only("image")],
    output: Output = None,
) -> None:
    """Manifests of a CronJob, ready for kustomize. Printed, they are for kubectl apply."""
    if bool(cluster.jobs) == bool(words):
        raise UsageError("a command is needed after --, or a list by --jobs", hint="one of the two")
    if cluster.shards and not cluster.jobs:
        raise UsageError("shards are of a list of jobs", hint="--jobs FILE")
    if words:
        files = _one(name, words, timing, cluster, launch)
    else:
        files = _many(name, cluster.jobs or "", timing, cluster, launch)
    if output is not None:
        put(files, output)
        return
    if any(path.startswith("overlays/") for path in files):
        raise UsageError(
            "a job that mounts needs more than the base, which alone would be printed",
            hint="--output FOLDER, then kubectl apply --kustomize FOLDER/overlays/NAME",
        )
    typer.echo(kube.stream(files), nl=False)


def _one(
    name: str, words: Sequence[str], timing: Timing, cluster: Cluster, launch: Launch
) -> Files:
    """The files of one command. Where things are in the pod, the image says."""
    from borgpull.cli.planned import plan

    found = plan(name, words, timing, Where(), Through(), launch)
    return kube.render(found, cluster.settings())


def _many(name: str, file: str, timing: Timing, cluster: Cluster, launch: Launch) -> Files:
    from borgpull.cli.joblist import plans
    from borgpull.cli.planned import when

    found = plans(file, partial(kube.name_of, name), timing, launch)
    if cluster.shards is None:
        return kube.render_list(name, found, cluster.settings())
    return kube.render_shards(
        name, found, cluster.shards, partial(when, timing), cluster.settings()
    )
