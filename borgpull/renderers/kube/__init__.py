"""Manifests for a Kubernetes cluster, ready for kustomize. The cluster needs nothing of ours.

`base` passes Pod Security *restricted*. A job that mounts by FUSE needs more than that: an overlay
each says what. What a pod gets comes from `launchers.needs`, as for the docker launcher.
"""

from __future__ import annotations

from borgpull.renderers.kube.base import render as render
from borgpull.renderers.kube.fleet import name_of as name_of
from borgpull.renderers.kube.fleet import render_list as render_list
from borgpull.renderers.kube.settings import Settings as Settings
from borgpull.renderers.kube.shards import render_shards as render_shards
from borgpull.renderers.kube.text import stream as stream
