"""The user's kubectl: its configuration, its ways to log in, and a cluster's lists, page by page.

`kubectl get` would hold all objects of a list at once: for ten thousand clients, 500 MB of JSON.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from borgpull.errors import ClusterUnreadable, UsageError
from borgpull.process import CommandError, TooMuchOutput, run
from borgpull.renderers.kube.labels import common

# Objects in a page. Each is some 10 kB; a shard's names are 250 kB at most.
PAGE = 500
PAGE_BYTES = 256 << 20
PAGE_SECONDS = 60
# Where a kind's list is, below and above a namespace.
PATHS = {
    "pods": ("/api/v1", "pods"),
    "jobs": ("/apis/batch/v1", "jobs"),
    "cronjobs": ("/apis/batch/v1", "cronjobs"),
}
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
# Our own secrets are no business of kubectl. All else may be: a cloud's login reads its variables.
_OURS = ("BORG_", "BORGPULL_")


@dataclass(frozen=True, kw_only=True)
class Kubectl:
    """A place in a cluster. Raises UsageError for what is no namespace."""

    context: str = ""  # of the kubeconfig; empty for the current one
    namespace: str = ""  # empty for the context's own
    everywhere: bool = False  # in all namespaces

    def __post_init__(self) -> None:
        if self.namespace and not _NAMESPACE.fullmatch(self.namespace):
            raise UsageError(f"not a namespace: {self.namespace!r}", hint="say, borgpull")
        if self.namespace and self.everywhere:
            raise UsageError("--namespace and --all-namespaces exclude each other")

    def place(self) -> str:
        """The namespace to look into; empty for all. Raises ClusterUnreadable."""
        if self.everywhere or self.namespace:
            return self.namespace
        words = ("config", "view", "--minify", "--output=jsonpath={..namespace}")
        return self._output(*words).decode(errors="replace").strip() or "default"

    def listed(self, kind: str, place: str) -> Iterator[dict[str, Any]]:
        """Our objects of a kind of PATHS. Raises ClusterUnreadable."""
        base, name = PATHS[kind]
        path = f"{base}/namespaces/{place}/{name}" if place else f"{base}/{name}"
        labels = ",".join(f"{key}={value}" for key, value in common().items())
        query, more = {"labelSelector": labels, "limit": str(PAGE)}, ""
        while True:
            found = self._page(f"{path}?{urlencode(query | ({'continue': more} if more else {}))}")
            yield from (item for item in found["items"] or () if isinstance(item, dict))
            more = str((found.get("metadata") or {}).get("continue") or "")
            if not more:
                return

    def _page(self, path: str) -> dict[str, Any]:
        try:
            found = json.loads(self._output("get", "--raw", path))
            if isinstance(found, dict) and isinstance(found["items"], list | None):
                return found
        except (ValueError, KeyError, RecursionError):
            pass
        raise ClusterUnreadable(f"what kubectl got from {path.partition('?')[0]} is no list")

    def _output(self, *words: str) -> bytes:
        """What kubectl prints. Raises ClusterUnreadable with its own last words."""
        argv = ["kubectl", *words, f"--request-timeout={PAGE_SECONDS}s"]
        argv += [f"--context={self.context}"] if self.context else []
        env = {name: text for name, text in os.environ.items() if not name.startswith(_OURS)}
        try:
            done = run(argv, timeout=PAGE_SECONDS * 2, env=env, max_output=PAGE_BYTES)
        except CommandError as error:
            raise told(error) from None
        return done.stdout


def told(error: CommandError) -> ClusterUnreadable:
    if error.returncode == 127:
        return ClusterUnreadable(
            "there is no kubectl here", hint="install kubectl, and put it on the PATH"
        )
    lines = error.stderr.strip().splitlines()
    if error.returncode < 0 or isinstance(error, TooMuchOutput) or not lines:
        return ClusterUnreadable(str(error))
    return ClusterUnreadable(f"kubectl says: {lines[-1].strip()[-500:]}")
