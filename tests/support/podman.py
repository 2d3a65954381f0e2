"""`podman kube play` with a pod template, on a storage of its own.

Debian 12's podman 4.3 passes over some of a pod, without a word: Secrets as volumes; subPath (the
mount is missing then); fsGroup; an emptyDir's size and medium; the termination log. So the volumes
are prepared as a kubelet would, and go in as hostPath. podman does the security context, the words,
the environment, the limits and the read-only root. It knows nothing of Jobs.
"""

from __future__ import annotations

import copy
import os
import resource
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.kubelet import Ended, Mounted, Node

# On a file system where overlay works, unlike /tmp on some machines.
ROOT = Path("/var/lib")


@dataclass(frozen=True)
class Podman:
    folder: Path
    image: str

    def run(self, *words: str, check: bool = True, timeout: float = 240) -> str:
        argv = ["podman", "--root", str(self.folder / "storage"), "--storage-driver", "overlay"]
        argv += ["--runroot", str(self.folder / "run"), "--tmpdir", str(self.folder / "tmp")]
        env = os.environ | {"CONTAINERS_CONF": str(self.folder / "containers.conf")}
        done = subprocess.run(
            [*argv, *words], capture_output=True, text=True, timeout=timeout, check=False, env=env
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def play(self, node: Node, template: Mapping[str, Any]) -> Ended:
        """A pod of the template, to its end."""
        name = f"p{uuid.uuid4().hex[:8]}"
        mounted = node.prepare(template, name)
        log = mounted[-1].source
        assert log is not None
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": _with(template["spec"], mounted, self.image),
        }
        file = log.parent / "pod.yaml"
        file.write_text(yaml.safe_dump(pod))
        try:
            self.run("kube", "play", "--network", "host", str(file))
            code = self.run("wait", f"{name}-borgpull").split()[-1]
            output = self.run("logs", f"{name}-borgpull")
            return Ended(int(code), log.read_text(errors="replace"), output)
        finally:
            self.run("pod", "rm", "--force", name, check=False)
            shutil.rmtree(log.parent)


def _with(spec: Mapping[str, Any], mounted: list[Mounted], image: str) -> dict[str, Any]:
    """The spec with what a kubelet has prepared in place of its volumes."""
    found: dict[str, Any] = copy.deepcopy(dict(spec))
    (container,) = found["containers"]
    container["image"] = image
    found["volumes"], container["volumeMounts"] = [], []
    for number, mount in enumerate(mounted):
        name = f"v{number}"
        kind = "File" if mount.source and mount.source.is_file() else "Directory"
        host = {"hostPath": {"path": str(mount.source), "type": kind}}
        found["volumes"].append({"name": name, **(host if mount.source else {"emptyDir": {}})})
        container["volumeMounts"].append(
            {"name": name, "mountPath": mount.target, "readOnly": mount.read_only}
        )
    return found


@contextmanager
def podman(image: str) -> Iterator[Podman]:
    """With the engine's image in it. All of it is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="borgpull-podman-", dir=ROOT))
    made = Podman(folder, f"localhost/{image if ':' in image else f'{image}:latest'}")
    # podman sets higher limits than a machine may allow it.
    files = min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    (folder / "containers.conf").write_text(
        f'[containers]\ndefault_ulimits = ["nofile={files}:{files}", "nproc=4096:4096"]\n'
        '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
    )
    try:
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saved:
            assert saved.stdout is not None
            archive = folder / "image.tar"
            with archive.open("wb") as file:
                shutil.copyfileobj(saved.stdout, file)
        made.run("load", "--input", str(archive))
        archive.unlink()
        yield made
    finally:
        made.run("pod", "rm", "--all", "--force", check=False)
        subprocess.run(
            ["umount", str(folder / "storage/overlay")], capture_output=True, check=False
        )
        shutil.rmtree(folder)
