"""The options of `render kube`, in a group: what a cluster gives its jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from borgpull.cli.groups import Group
from borgpull.cli.options import option
from borgpull.cli.retention import seconds
from borgpull.drills import checkfile
from borgpull.renderers.kube import Settings


@dataclass(frozen=True, kw_only=True)
class Cluster(Group):
    title: ClassVar[str] = "What a cluster gives"

    secret: Annotated[
        str | None,
        option(
            "--secret", text="Secret of the passphrase and the keys.", show_default="borgpull-NAME"
        ),
    ] = None
    claim: Annotated[
        str | None,
        option("--claim", text="PersistentVolumeClaim that there is.", show_default="one is made"),
    ] = None
    storage_class: Annotated[
        str | None,
        option("--storage-class", text="Of the claim.", show_default="the cluster's"),
    ] = None
    storage_size: Annotated[str, option("--storage-size", text="Of the claim.")] = "10Gi"
    memory_request: Annotated[
        str, option("--memory-request", text="What a node must have free.")
    ] = "256Mi"
    memory_limit: Annotated[
        str, option("--memory-limit", text="A pod that takes more is killed (137).")
    ] = "2Gi"
    time_limit: Annotated[
        str, option("--time-limit", text="Of a job, with the waiting for its volume, say 24h.")
    ] = "24h"
    cidr: Annotated[
        list[str] | None,
        option("--cidr", text="Network that clients are in; may be repeated.", show_default="any"),
    ] = None
    fuse_resource: Annotated[
        str, option("--fuse-resource", text="What the device plugin calls /dev/fuse.")
    ] = "squat.ai/fuse"
    jobs: Annotated[
        str | None, option("--jobs", text="File of commands, one a line, in place of COMMAND.")
    ] = None
    shards: Annotated[
        int | None,
        option(
            "--shards", text="So many CronJobs for all of --jobs.", min=1, show_default="one a job"
        ),
    ] = None
    parallelism: Annotated[
        int, option("--parallelism", text="Jobs of a shard at a time.", min=1)
    ] = 1

    scratch_size: Annotated[
        str, option("--scratch-size", text="Of what a drill may restore to.")
    ] = "10Gi"
    scratch_class: Annotated[
        str | None,
        option(
            "--scratch-class",
            text="Storage class of a volume for that.",
            show_default="a folder of the node",
        ),
    ] = None
    report_claim: Annotated[
        str | None,
        option("--report-claim", text="PersistentVolumeClaim for the reports of drills."),
    ] = None

    checks: Annotated[
        str | None, option("--checks", text="File of checks (YAML) for drills; it is read now.")
    ] = None

    def settings(self) -> Settings:
        """Raises UsageError, ConfigError."""
        return Settings(
            secret=self.secret,
            claim=self.claim,
            storage_class=self.storage_class,
            storage_size=self.storage_size,
            memory_request=self.memory_request,
            memory_limit=self.memory_limit,
            time_limit=seconds(self.time_limit) or 0,
            cidr=tuple(self.cidr or ()),
            fuse_resource=self.fuse_resource,
            parallelism=self.parallelism,
            scratch_size=self.scratch_size,
            scratch_class=self.scratch_class,
            report_claim=self.report_claim,
            checks=checkfile.text_for_a_container(self.checks) if self.checks else "",
        )
