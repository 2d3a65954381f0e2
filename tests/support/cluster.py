"""A cluster's API, as far as lists go: our manifests, what controllers make of them, and a server.

Jobs and pods have what the templates say, as a CronJob's and a Job's controller copy it.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import json
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from borgpull.cli.boundary import Doing, End
from borgpull.cli.resultfile import encoded, ending
from borgpull.errors import BorgpullError
from borgpull.results import Failure, Result
from tests.support.manifests import objects

Object = dict[str, Any]
NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
BATCH, CORE = "/apis/batch/v1", "/api/v1"


def stamp(when: datetime) -> str:
    """As the API writes it."""
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


def ago(hours: float) -> datetime:
    return NOW - hours * HOUR


def word(verb: str, client: str, error: BorgpullError | None = None, **data: Any) -> str:
    """What a command writes as its last word."""
    failure = None if error is None else Failure.of(error)
    result = Result(verb=verb, client=client, ok=error is None, failure=failure, data=data)
    return encoded(ending(End(result.exit_code, Doing(verb, client), result), 1.5)).decode()


class Cluster:
    def __init__(self) -> None:
        self.cronjobs: list[Object] = []
        self.jobs: list[Object] = []
        self.pods: list[Object] = []
        self.asked: list[str] = []
        self.delay = 0.0  # of each answer, in seconds
        self._numbers = itertools.count(1)

    def apply(self, files: Mapping[str, str], namespace: str = "backups") -> list[Object]:
        """The CronJobs of these files."""
        found = [item for item in objects(files) if item["kind"] == "CronJob"]
        for item in found:
            item["metadata"]["namespace"] = namespace
            item["status"] = {}
        self.cronjobs += found
        return found

    def job(
        self,
        cron: Object,
        started: datetime,
        ended: datetime | None = None,
        failed: str = "",
        **status: Any,
    ) -> Object:
        """A Job that a CronJob has made; without an end it still runs. `failed`: for what."""
        template = copy.deepcopy(cron["spec"]["jobTemplate"])
        meta = template["metadata"] | {
            "name": f"{cron['metadata']['name']}-{next(self._numbers)}",
            "namespace": cron["metadata"]["namespace"],
            "creationTimestamp": stamp(started),
            "ownerReferences": [
                {"kind": "CronJob", "name": cron["metadata"]["name"], "controller": True}
            ],
        }
        found: Object = {"metadata": meta, "spec": template["spec"]}
        found["status"] = {"startTime": stamp(started), **status}
        if ended is not None:
            kind = "Failed" if failed else "Complete"
            condition = {"type": kind, "status": "True", "lastTransitionTime": stamp(ended)}
            if failed:
                condition |= {"reason": failed, "message": f"Job has failed: {failed}"}
            else:
                found["status"]["completionTime"] = stamp(ended)
                cron["status"]["lastSuccessfulTime"] = stamp(ended)
            found["status"]["conditions"] = [condition]
        self.jobs.append(found)
        return found

    def pod(self, job: Object, index: int | None = None, **status: Any) -> Object:
        """A pod of a Job; `ran`, `runs` and `waits` below make its status."""
        template = copy.deepcopy(job["spec"]["template"])
        meta = template["metadata"] | {
            "name": f"{job['metadata']['name']}-{next(self._numbers)}",
            "namespace": job["metadata"]["namespace"],
            "creationTimestamp": job["metadata"]["creationTimestamp"],
            "ownerReferences": [{"kind": "Job", "name": job["metadata"]["name"]}],
        }
        if index is not None:
            meta.setdefault("annotations", {})
            meta["annotations"]["batch.kubernetes.io/job-completion-index"] = str(index)
        found = {"metadata": meta, "spec": template["spec"], "status": status}
        self.pods.append(found)
        return found

    def done(self, cron: Object, when: datetime, told: str = "") -> None:
        """A run that ended well, from an hour before."""
        self.pod(self.job(cron, when - HOUR, when), **ran(0, when, told))

    def failed(self, cron: Object, when: datetime, code: int, told: str = "", **more: Any) -> None:
        """A run that failed, and is not tried again."""
        job = self.job(cron, when - HOUR, when + HOUR / 100, failed="PodFailurePolicy")
        self.pod(job, **ran(code, when, told, **more))

    @contextlib.contextmanager
    def serving(self, folder: Path) -> Iterator[str]:
        """The API; the path of a kubeconfig. Its contexts are `backups` (the namespace's name),
        `bare` (with none), and those that are refused: `forbidden` and `nobody`."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield str(_kubeconfig(folder, server.server_address[1]))
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def answer(self, url: str) -> tuple[int, Object]:
        """The code and the body for a GET."""
        split = urlsplit(url)
        self.asked.append(url)
        path, query = split.path, {key: values[0] for key, values in parse_qs(split.query).items()}
        for start, code, reason in (
            ("/forbidden", 403, "Forbidden"),
            ("/nobody", 401, "Unauthorized"),
        ):
            if path.startswith(start):
                message = f'{path.split("/")[-1]} is forbidden: User "x" cannot list resource'
                return code, _status(code, reason, message)
        for base, kind in ((CORE, "pods"), (BATCH, "jobs"), (BATCH, "cronjobs")):
            space = path.removeprefix(f"{base}/namespaces/").removesuffix(f"/{kind}")
            if path in (f"{base}/{kind}", f"{base}/namespaces/{space}/{kind}"):
                wanted = None if path == f"{base}/{kind}" else space
                return 200, self._page(kind, wanted, query)
        return 404, _status(404, "NotFound", f"no {path}")

    def _page(self, kind: str, namespace: str | None, query: Mapping[str, str]) -> Object:
        labels = dict(pair.split("=") for pair in query["labelSelector"].split(","))
        found = [
            item
            for item in getattr(self, kind)
            if namespace in (None, item["metadata"]["namespace"])
            and labels.items() <= item["metadata"]["labels"].items()
        ]
        start, limit = int(query.get("continue", 0)), int(query["limit"])
        rest = len(found) - start - limit
        more = {"continue": str(start + limit), "remainingItemCount": rest} if rest > 0 else {}
        # Go's encoder writes an empty list as null.
        page = found[start : start + limit] or None
        return {"kind": "List", "apiVersion": "v1", "metadata": more, "items": page}


def ran(code: int, when: datetime, told: str = "", reason: str = "") -> Object:
    """The status of a pod that has ended."""
    state = {"exitCode": code, "finishedAt": stamp(when), "startedAt": stamp(when - HOUR)}
    state |= {"reason": reason or ("Error" if code else "Completed"), "message": told}
    phase = "Failed" if code else "Succeeded"
    return {"phase": phase, "containerStatuses": [_main(terminated=state)]}


def runs(since: datetime) -> Object:
    return {
        "phase": "Running",
        "containerStatuses": [_main(running={"startedAt": stamp(since)})],
    }


def waits(reason: str) -> Object:
    return {"phase": "Pending", "containerStatuses": [_main(waiting={"reason": reason})]}


def _main(**state: Any) -> Object:
    return {"name": "borgpull", "state": state, "restartCount": 0, "image": "borgpull"}


def _status(code: int, reason: str, message: str) -> Object:
    head = {"kind": "Status", "apiVersion": "v1", "status": "Failure"}
    return {**head, "code": code, "reason": reason, "message": message}


def _kubeconfig(folder: Path, port: int) -> Path:
    places = {"backups": "", "bare": "", "forbidden": "/forbidden", "nobody": "/nobody"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "backups",
        "clusters": [
            {"name": name, "cluster": {"server": f"http://127.0.0.1:{port}{path}"}}
            for name, path in places.items()
        ],
        "users": [{"name": "admin", "user": {}}],
        "contexts": [
            {
                "name": name,
                "context": {"cluster": name, "user": "admin"}
                | ({"namespace": "backups"} if name == "backups" else {}),
            }
            for name in places
        ],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


def _handler(cluster: Cluster) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(cluster.delay)
            code, body = cluster.answer(self.path)
            data = json.dumps(body).encode()
            with contextlib.suppress(BrokenPipeError):  # kubectl has given up
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
