"""Rules for the spec of a pod. `indexed` says whether it is an Indexed Job's."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import PurePosixPath
from typing import Any

from borgpull.launchers.needs import STOP_SECONDS
from tests.support.kubechecks.forms import Found, is_label, is_subdomain, quantity

SECRETS = "/run/secrets"
MEDIA = {"", "Memory"}


def _containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [*spec["containers"], *spec.get("initContainers", [])]


def how_it_ends(spec: dict[str, Any], indexed: bool) -> Found:
    if spec.get("restartPolicy") not in ("Never", "OnFailure"):
        yield f"no restartPolicy of a Job: {spec.get('restartPolicy')!r}"
    if spec.get("terminationGracePeriodSeconds", 30) < STOP_SECONDS:
        yield "a run is killed before it has cleaned up"
    for container in _containers(spec):
        if container.get("terminationMessagePolicy", "File") not in (
            "File",
            "FallbackToLogsOnError",
        ):
            yield f"no terminationMessagePolicy: {container['terminationMessagePolicy']!r}"
        told = {one["name"]: one.get("value") for one in container.get("env", [])}
        path = container.get("terminationMessagePath", "/dev/termination-log")
        if not path.startswith("/"):
            yield f"no terminationMessagePath: {path!r}"
        if told.get("BORGPULL_RESULT_FILE") != path:
            yield "the result is not written where kubelet reads it"


def what_it_gets(spec: dict[str, Any], indexed: bool) -> Found:
    if spec.get("automountServiceAccountToken") is not False:
        yield "a token of the cluster is in the pod, on /run/secrets"
    if spec.get("enableServiceLinks") is not False:
        yield "a Service may be called so that it sets our variables"
    if not is_subdomain(spec.get("serviceAccountName", "")):
        yield f"no account: {spec.get('serviceAccountName')!r}"
    for container in _containers(spec):
        if not is_label(container["name"]):
            yield f"no name of a container: {container['name']!r}"
        if not container.get("image", "").strip():
            yield "no image"
        if container.get("imagePullPolicy", "Always") not in ("Always", "IfNotPresent", "Never"):
            yield f"no imagePullPolicy: {container['imagePullPolicy']!r}"


def variables(spec: dict[str, Any], indexed: bool) -> Found:
    for container in _containers(spec):
        names = [one["name"] for one in container.get("env", [])]
        for name, times in Counter(names).items():
            if times > 1 or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                yield f"no variable: {name!r}, {times} times"
        known = {*names, *(["JOB_COMPLETION_INDEX"] if indexed else [])}
        for word in [*container.get("args", []), *container.get("command", [])]:
            for name in re.findall(r"\$\(([^)]*)\)", word.replace("$$", "")):
                if name not in known:
                    yield f"no variable for $({name}) in {word!r}"


def sizes(spec: dict[str, Any], indexed: bool) -> Found:
    for container in _containers(spec):
        resources = container.get("resources", {})
        asked, most = resources.get("requests", {}), resources.get("limits", {})
        if "memory" not in asked or "memory" not in most:
            yield "no memory is asked for, or there is no limit"
        for name, text in [*asked.items(), *most.items()]:
            if quantity(text) is None:
                yield f"no quantity: {name} {text!r}"
            elif name == "memory" and (quantity(text) or 0) < 1024**2:
                yield f"less than a megabyte of memory: {text!r}"
        for name in set(asked) & set(most):
            if (quantity(asked[name]) or 0) > (quantity(most[name]) or 0):
                yield f"more {name} is asked for than is allowed"
        for name in {name for name in [*asked, *most] if "/" in name}:
            if asked.get(name, most.get(name)) != most.get(name):
                yield f"{name} must be asked for as it is limited"


def volumes(spec: dict[str, Any], indexed: bool) -> Found:
    there = spec.get("volumes", [])
    names = [volume["name"] for volume in there]
    for name, times in Counter(names).items():
        if times > 1 or not is_label(name):
            yield f"no volume: {name!r}, {times} times"
    mounted = {mount["name"] for one in _containers(spec) for mount in one.get("volumeMounts", [])}
    yield from (f"no volume for the mount {name!r}" for name in sorted(mounted - set(names)))
    yield from (f"nothing mounts the volume {name!r}" for name in sorted(set(names) - mounted))
    for volume in there:
        if len(volume) != 2:
            yield f"a volume needs one source: {sorted(volume)}"
        empty = volume.get("emptyDir", {})
        if empty.get("medium", "") not in MEDIA:
            yield f"no medium: {empty['medium']!r}"
        if "emptyDir" in volume and not quantity(empty.get("sizeLimit")):
            yield f"no sizeLimit of {volume['name']}: {empty.get('sizeLimit')!r}"


def mounts(spec: dict[str, Any], indexed: bool) -> Found:
    for container in _containers(spec):
        found = container.get("volumeMounts", [])
        paths = [mount["mountPath"] for mount in found]
        for path, times in Counter(paths).items():
            if times > 1 or not path.startswith("/") or ":" in path:
                yield f"no mountPath: {path!r}, {times} times"
        subs = Counter((mount["name"], mount.get("subPath", "")) for mount in found)
        for (name, sub), times in subs.items():
            parts = PurePosixPath(sub).parts
            if times > 1 or sub.startswith("/") or ".." in parts:
                yield f"no subPath: {sub!r} of {name}, {times} times"
        writable = container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True
        if not writable and "/tmp" not in paths:
            yield "there is no folder to write in"


def modes(spec: dict[str, Any], indexed: bool) -> Found:
    """Of a Secret's files. ssh looks at them, and user 1000 has only the group's bits."""
    context = spec.get("securityContext", {})
    root, group = not context.get("runAsUser"), context.get("fsGroup")
    for volume in spec.get("volumes", []):
        source = volume.get("secret")
        if source is None:
            continue
        for one in [source, *source.get("items", [])]:
            mode = one.get("mode", one.get("defaultMode", 0o644 if one is source else None))
            if mode is None:
                continue
            if not 0 <= mode <= 0o777:
                yield f"no mode: {mode} (0{mode:o})"
            elif mode & 0o337:
                yield f"a secret is to be read, by its user or group: 0{mode:o}"
            elif root and (mode & 0o077 or group is not None):
                yield f"ssh refuses root this key: 0{mode:o}, fsGroup {group}"
            elif not root and (group is None or not mode & 0o040):
                yield f"user {context['runAsUser']} cannot read a secret: 0{mode:o}"
        for item in source.get("items", []):
            path = PurePosixPath(item["path"])
            if path.is_absolute() or ".." in path.parts or not item["path"]:
                yield f"no path: {item['path']!r}"


def security(spec: dict[str, Any], indexed: bool) -> Found:
    context = spec.get("securityContext", {})
    for key in ("runAsUser", "runAsGroup", "fsGroup"):
        if not 0 <= context.get(key, 0) <= 2147483647:
            yield f"no {key}: {context[key]}"
    change = context.get("fsGroupChangePolicy")
    if "fsGroup" in context and change != "OnRootMismatch":
        yield f"kubelet changes every file of the repository at each start: {change!r}"
    if context.get("runAsNonRoot") and context.get("runAsUser") == 0:
        yield "root is not non-root"
    for container in _containers(spec):
        own = container.get("securityContext", {})
        names = [name for each in own.get("capabilities", {}).values() for name in each]
        for name in names:
            if name != name.upper() or name.startswith("CAP_"):
                yield f"no capability: {name!r}"
        if own.get("privileged"):
            yield "privileged is never needed"
        if own.get("allowPrivilegeEscalation") is not False:
            yield "programs with setuid get more than the pod has"


RULES = (
    how_it_ends, what_it_gets, variables, sizes, volumes, mounts, modes, security,
)  # fmt: skip
