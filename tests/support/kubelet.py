"""A kubelet's work by docker: a pod template runs as a node would run it.

What a real node does to files is done here: Secrets behind `..data` links with root's owner and the
pod's fsGroup, volumes that are given to fsGroup, subPaths, sizes of emptyDirs, the termination log.
A field that this module does not know is an error, so nothing of a template is passed over.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


def documents(text: str) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(text) if document]


def job_of(text: str) -> dict[str, Any]:
    """The Job that the one CronJob of some manifests makes."""
    (cron,) = [document for document in documents(text) if document["kind"] == "CronJob"]
    return dict(cron["spec"]["jobTemplate"]["spec"])


# Beside what is done here: what decides where and when a pod runs, or what Kubernetes gives to it.
INDEX = "JOB_COMPLETION_INDEX"
KNOWN_POD = {
    *("containers", "volumes", "securityContext"),
    *("restartPolicy", "automountServiceAccountToken", "enableServiceLinks", "serviceAccountName"),
    *("terminationGracePeriodSeconds", "hostUsers"),
}
KNOWN_CONTAINER = {
    *("args", "command", "env", "resources", "securityContext", "volumeMounts"),
    *("name", "image", "imagePullPolicy", "terminationMessagePath", "terminationMessagePolicy"),
}


@dataclass(frozen=True)
class Ended:
    """A pod's end, as its status has it."""

    exit_code: int
    message: str  # its termination message
    output: str


@dataclass(frozen=True)
class Mounted:
    """What a kubelet hands to the engine for a volume mount."""

    target: str
    source: Path | None = None  # None: memory
    read_only: bool = False
    size: int = 0  # bytes; 0 for no limit

    def words(self) -> list[str]:
        """For `docker run`."""
        if self.source is None:
            size = f",size={self.size}" if self.size else ""
            return ["--tmpfs", f"{self.target}:mode=1777{size}"]
        return ["-v", f"{self.source}:{self.target}{':ro' if self.read_only else ''}"]


@dataclass
class Node:
    """A machine of a cluster. `claims` and `secrets` are what a namespace would hold."""

    folder: Path
    network: str
    label: str
    image: str
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    config_maps: dict[str, dict[str, str]] = field(default_factory=dict)

    def claim(self, name: str) -> Path:
        """The volume that a PersistentVolumeClaim is bound to."""
        path = self.folder / "claims" / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def run(
        self,
        template: Mapping[str, Any],
        *,
        name: str = "",
        index: int | None = None,
        timeout: float = 240,
    ) -> Ended:
        """A pod of the template, to its end; `index` is its number in an Indexed Job."""
        argv, log = self.command(template, name=name, index=index)
        done = subprocess.run(argv, capture_output=True, timeout=timeout, check=False)
        output = (done.stdout + done.stderr).decode(errors="replace")
        message = log.read_text(errors="replace")
        shutil.rmtree(log.parent)
        return Ended(done.returncode, message, output)

    def command(
        self,
        template: Mapping[str, Any],
        *,
        name: str = "",
        words: tuple[str, ...] | None = None,
        entrypoint: str = "",
        index: int | None = None,
    ) -> tuple[list[str], Path]:
        """The `docker run` of a pod, and the file that gets its termination message.

        `words` and `entrypoint` stand in for the container's own.
        """
        annotations = template.get("metadata", {}).get("annotations", {})
        spec = template["spec"]
        (container,) = spec["containers"]
        security = spec.get("securityContext", {}) | container.get("securityContext", {})
        argv = ["docker", "run", "--rm", "--label", self.label, "--network", self.network]
        argv += ["--name", name] if name else []
        argv += [*_security(security), *_resources(container.get("resources", {}))]
        for variable in container.get("env", []):
            argv += ["-e", f"{variable['name']}={_value(variable, annotations)}"]
        mounted = self.prepare(template, name)
        argv += [word for mount in mounted for word in mount.words()]
        command, args = container.get("command", []), container.get("args", [])
        if index is not None:
            argv += ["-e", f"{INDEX}={index}"]
            args = [word.replace(f"$({INDEX})", str(index)) for word in args]
        first = entrypoint or (command[0] if command else "")
        argv += ["--entrypoint", first] if first else []
        log = mounted[-1].source
        assert log is not None
        return [*argv, self.image, *(command[1:] + args if words is None else words)], log

    def prepare(self, template: Mapping[str, Any], name: str = "") -> list[Mounted]:
        """All that is mounted into a pod's container; the last one is its termination log."""
        spec = template["spec"]
        (container,) = spec["containers"]
        assert not set(spec) - KNOWN_POD, f"of a pod: {set(spec) - KNOWN_POD}"
        assert not set(container) - KNOWN_CONTAINER, set(container) - KNOWN_CONTAINER
        security = spec.get("securityContext", {}) | container.get("securityContext", {})
        pod = self.folder / "pods" / (name or uuid.uuid4().hex[:8])
        pod.mkdir(parents=True)
        volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        mounts = container.get("volumeMounts", [])
        unused = set(volumes) - {mount["name"] for mount in mounts}
        assert not unused, f"volumes that no container mounts: {unused}"
        found = [self._mount(pod, volumes[mount["name"]], mount, security) for mount in mounts]
        log = pod / "termination-log"
        log.touch()
        log.chmod(0o666)
        path = container.get("terminationMessagePath", "/dev/termination-log")
        return [*found, Mounted(path, log)]

    def _mount(
        self,
        pod: Path,
        volume: Mapping[str, Any],
        mount: Mapping[str, Any],
        security: Mapping[str, Any],
    ) -> Mounted:
        known = {"name", "mountPath", "subPath", "readOnly"}
        assert set(mount) <= known, f"of a mount: {set(mount) - known}"
        group = security.get("fsGroup")
        target = mount["mountPath"]
        if (empty := volume.get("emptyDir")) is not None:
            size = empty.get("sizeLimit", "")
            if empty.get("medium") == "Memory":
                return Mounted(target, size=_bytes(size) if size else 0)
            assert empty.get("medium", "") == ""
            source = pod / volume["name"]  # a kubelet looks at its size now and then
            source.mkdir()
            source.chmod(0o777)
            source = _sub_path(source, mount.get("subPath", ""))
        elif claim := volume.get("persistentVolumeClaim"):
            source = self.claim(claim["claimName"])
            _give(source, group)
            if sub := mount.get("subPath"):
                source = _sub_path(source, sub)
        elif secret := volume.get("secret"):
            values = self.secrets[secret["secretName"]]
            source = _projected(pod / volume["name"], values, secret, group)
        elif config := volume.get("configMap"):
            values = self.config_maps[config["name"]]
            source = _projected(pod / volume["name"], values, config, group)
        else:
            raise AssertionError(f"a volume of no known kind: {volume}")
        return Mounted(target, source, read_only=mount.get("readOnly", False))


def _value(variable: Mapping[str, Any], annotations: Mapping[str, str]) -> str:
    """An environment variable: its text, or what the downward API says."""
    if "value" in variable:
        return str(variable["value"])
    path = variable["valueFrom"]["fieldRef"]["fieldPath"]
    key = path.removeprefix("metadata.annotations['").removesuffix("']")
    return annotations[key]


def _security(context: Mapping[str, Any]) -> list[str]:
    """securityContext, the pod's and the container's together."""
    context = dict(context)
    argv = []
    user, group = context.pop("runAsUser", None), context.pop("runAsGroup", 0)
    if context.pop("runAsNonRoot", False):
        assert user, "the image's user is root"
    argv += [] if user is None else ["--user", f"{user}:{group}"]
    fs_group = context.pop("fsGroup", None)
    argv += [] if fs_group is None else ["--group-add", str(fs_group)]
    context.pop("fsGroupChangePolicy", None)
    capabilities = context.pop("capabilities", {})
    argv += [word for name in capabilities.get("drop", []) for word in ("--cap-drop", name)]
    argv += [word for name in capabilities.get("add", []) for word in ("--cap-add", name)]
    if context.pop("allowPrivilegeEscalation", True) is False:
        argv += ["--security-opt", "no-new-privileges"]
    argv += ["--read-only"] if context.pop("readOnlyRootFilesystem", False) else []
    profile = context.pop("seccompProfile", {"type": "RuntimeDefault"})
    assert profile == {"type": "RuntimeDefault"}, profile
    if context.pop("appArmorProfile", {}).get("type") == "Unconfined":
        argv += ["--security-opt", "apparmor=unconfined"]
    assert not context, f"of a securityContext: {context}"
    return argv


def _resources(resources: Mapping[str, Any]) -> list[str]:
    limits = dict(resources.get("limits", {}))
    argv = ["--memory", str(_bytes(limits.pop("memory")))] if "memory" in limits else []
    for name in ("cpu", "ephemeral-storage"):
        limits.pop(name, None)
    for name, count in limits.items():  # a device plugin's
        assert name.endswith("/fuse") and str(count) == "1", (name, count)
        argv += ["--device", "/dev/fuse"]
    return argv


def _bytes(quantity: str) -> int:
    """A quantity of Kubernetes."""
    for unit, power in (("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40)):
        if quantity.endswith(unit):
            return int(quantity.removesuffix(unit)) << power
    return int(quantity)


def _give(path: Path, group: int | None) -> None:
    """To fsGroup, where the root of the volume is not its yet (OnRootMismatch)."""
    if group is None or path.stat().st_gid == group:
        return
    for root, folders, files in os.walk(path):
        for name in [root, *(os.path.join(root, name) for name in [*folders, *files])]:
            os.chown(name, -1, group, follow_symlinks=False)
            if not os.path.islink(name):
                more = 0o2770 if os.path.isdir(name) else 0o660
                os.chmod(name, os.stat(name).st_mode & 0o7777 | more)


def _sub_path(volume: Path, sub: str) -> Path:
    """A folder of root's, with the mode and, by its setgid bit, the group of the volume."""
    path = volume / sub
    if not path.exists():
        path.mkdir(parents=True)
        path.chmod(volume.stat().st_mode & 0o7777)
    return path


def _projected(
    path: Path, values: Mapping[str, str], source: Mapping[str, Any], group: int | None
) -> Path:
    """A Secret's files: behind `..data`, root's, and the group's as far as there is one."""
    modes = source.get("defaultMode", 0o644)
    items = source.get("items") or [{"key": key, "path": key} for key in values]
    path.mkdir()
    path.chmod(0o1777 if group is None else 0o3777)
    data = path / "..2026_11_27_00_00_00.1"
    data.mkdir()
    data.chmod(0o755)
    (path / "..data").symlink_to(data.name)
    for item in items:
        if item["key"] not in values:
            assert source.get("optional"), f"the Secret has no {item['key']}"
            continue
        file = data / item["path"]
        file.write_text(values[item["key"]])
        # With fsGroup, a kubelet adds the group's right to read (volume.SetVolumeOwnership).
        mode = item.get("mode", modes)
        file.chmod(mode if group is None else mode | 0o440)
        os.chown(file, 0, group or 0)
        (path / item["path"]).symlink_to(f"..data/{item['path']}")
    return path
