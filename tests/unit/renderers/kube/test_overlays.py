"""The overlays of jobs that mount: what they add, and that the base does without."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.kubechecks import check
from tests.support.kubechecks.restricted import restricted
from tests.support.kubechecks.schemas import strict
from tests.support.manifests import UNATTENDED, built, fleet, named, objects, pod_of, rendered

OVERLAYS = ("sshfs-device-plugin", "sshfs-userns")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kustomize_builds_an_overlay(overlay: str, tmp_path: Path) -> None:
    files = rendered(UNATTENDED["sshfs"], fuse_resource="example.org/fuse")
    found = built(files, tmp_path, f"overlays/{overlay}")
    assert check(found) == [], "root reads the key by 0400 and without a group, say"
    assert strict(found, "1.33", "1.37") == []
    spec = pod_of(named(found, "CronJob"))
    assert spec["securityContext"]["runAsUser"] == 0 and "fsGroup" not in spec["securityContext"]
    (container,) = spec["containers"]
    assert container["resources"]["limits"]["example.org/fuse"] == "1"
    assert container["securityContext"]["capabilities"] == {"add": ["SYS_ADMIN"]}
    assert spec.get("hostUsers") is (False if overlay == "sshfs-userns" else None)
    against = " ".join(restricted(spec))
    assert "SYS_ADMIN" in against and "capabilities are not dropped" in against
    assert ("runAsUser 0" in against) is (overlay == "sshfs-device-plugin"), "waived since 1.35"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_first_line_says_what_more_is_needed(overlay: str) -> None:
    files = rendered(UNATTENDED["sshfs"])
    first = files[f"overlays/{overlay}/kustomization.yaml"].splitlines()[0]
    assert first.startswith("# Needs ") and "a device plugin that offers squat.ai/fuse" in first
    assert first.endswith("label pod-security.kubernetes.io/enforce=privileged")
    assert ("1.36" in first) is (overlay == "sshfs-userns")


@pytest.mark.parametrize("verb", UNATTENDED)
def test_only_a_job_that_mounts_has_overlays(verb: str) -> None:
    there = any(name.startswith("overlays/") for name in rendered(UNATTENDED[verb]))
    assert there is (verb == "sshfs")


def test_an_overlay_of_a_list_is_for_the_jobs_that_mount(tmp_path: Path) -> None:
    files = fleet(tmp_path, "sshfs root@web1\npipe root@web2\nprune web1 --keep-daily 7\n")
    found = built(files, tmp_path / "out", "overlays/sshfs-device-plugin")
    assert check(found) == []
    more = {
        one["metadata"]["name"]
        for one in found
        if one["kind"] == "CronJob" and list(restricted(pod_of(one)))
    }
    assert more == {"fl-sshfs-web1"}
    base = [one for one in objects(files) if one["kind"] == "CronJob"]
    assert len(base) == 3 and not any(list(restricted(pod_of(one))) for one in base)
