"""kubectl itself against a small API of our own: its contexts, its refusals, its pages."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from borgpull.errors import ClusterUnreadable, UsageError
from borgpull.kube import kubectl
from borgpull.kube.kubectl import Kubectl
from tests.support.cluster import Cluster
from tests.support.manifests import KUBECTL, rendered

CHECK = ["check", "web1"]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setenv("PATH", f"{KUBECTL.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    made = Cluster()
    with made.serving(tmp_path) as config:
        monkeypatch.setenv("KUBECONFIG", config)
        yield made


def script(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A kubectl that does this."""
    program = folder / "bin" / "kubectl"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


def names(found: Kubectl) -> list[str]:
    return [item["metadata"]["namespace"] for item in found.listed("cronjobs", found.place())]


def test_namespaces_and_contexts(cluster: Cluster) -> None:
    for space in ("backups", "default", "other"):
        cluster.apply(rendered(CHECK), namespace=space)
    cluster.apply(rendered(CHECK), namespace="other")
    cluster.cronjobs[-1]["metadata"]["labels"]["app.kubernetes.io/name"] = "not-ours"
    assert names(Kubectl()) == ["backups"]
    assert names(Kubectl(context="bare")) == ["default"]
    assert names(Kubectl(namespace="other")) == ["other"]
    assert names(Kubectl(context="bare", everywhere=True)) == ["backups", "default", "other"]
    assert names(Kubectl(namespace="empty")) == []


def test_pages(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubectl, "PAGE", 3)
    for number in range(7):
        cluster.apply(rendered(CHECK, name=f"n{number}"))
    found = Kubectl().listed("cronjobs", "backups")
    assert [item["metadata"]["name"] for item in found] == [f"n{number}" for number in range(7)]
    asked = [parse_qs(urlsplit(url).query) for url in cluster.asked]
    assert [query.get("continue") for query in asked] == [None, ["3"], ["6"]]
    assert all(query["limit"] == ["3"] for query in asked)


@pytest.mark.parametrize(
    ("context", "words"),
    [
        ("forbidden", "Error from server (Forbidden): cronjobs is forbidden"),
        ("nobody", "You must be logged in to the server"),
        ("nowhere", 'context "nowhere" does not exist'),
    ],
)
def test_refusals_are_told_in_its_own_words(cluster: Cluster, context: str, words: str) -> None:
    with pytest.raises(ClusterUnreadable) as error:
        list(Kubectl(context=context).listed("cronjobs", "backups"))
    assert error.value.message.startswith("kubectl says: ") and words in error.value.message


def test_a_context_that_is_not_there_has_no_namespace(cluster: Cluster) -> None:
    with pytest.raises(ClusterUnreadable, match="nowhere"):
        Kubectl(context="nowhere").place()


def test_nobody_answers(tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    config = tmp_path / "kubeconfig"
    text = config.read_text()
    here = text.partition("127.0.0.1:")[2].partition("\n")[0].partition("/")[0]
    config.write_text(text.replace(f":{here}", f":{port}"))
    with pytest.raises(ClusterUnreadable, match="was refused"):
        list(Kubectl().listed("pods", "backups"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(ClusterUnreadable, match="kubectl says: "):
        Kubectl().place()


def test_a_server_that_hangs(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """kubectl gives up before we do, and tells why."""
    monkeypatch.setattr(kubectl, "PAGE_SECONDS", 1)
    cluster.delay = 5
    with pytest.raises(ClusterUnreadable, match=r"kubectl says: .*(?i:timeout|deadline)"):
        list(Kubectl().listed("pods", "backups"))


def test_no_kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterUnreadable, match="there is no kubectl here") as error:
        Kubectl().place()
    assert "PATH" in error.value.hint and error.value.exit_code == 23


@pytest.mark.parametrize(
    "said", ["", "nonsense", "[]", "{}", '{"items": {}}', '\'{"items": [1, {"a": \\xff}]}\'']
)
def test_an_answer_that_is_no_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    script(tmp_path, monkeypatch, f"cat <<'END'\n{said}\nEND")
    with pytest.raises(ClusterUnreadable, match="is no list"):
        list(Kubectl().listed("pods", "backups"))


def test_too_long_an_answer_and_too_long_a_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tmp_path, monkeypatch, 'case "$*" in *pods*) sleep 60;; *) cat /dev/zero;; esac')
    monkeypatch.setattr(kubectl, "PAGE_BYTES", 1 << 20)
    monkeypatch.setattr(kubectl, "PAGE_SECONDS", 0.2)
    with pytest.raises(ClusterUnreadable, match="said more than"):
        list(Kubectl().listed("jobs", "backups"))
    with pytest.raises(ClusterUnreadable, match="took over"):
        list(Kubectl().listed("pods", "backups"))


def test_it_gets_what_a_login_needs_but_none_of_our_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BORG_PASSPHRASE", "hush")
    monkeypatch.setenv("BORGPULL_PASSPHRASE_FILE", "/hush")
    monkeypatch.setenv("AWS_PROFILE", "of-the-user")
    monkeypatch.setenv("KUBECONFIG", "/the/users")
    script(tmp_path, monkeypatch, f"env >{tmp_path}/env; printf '%s\\n' \"$@\" >{tmp_path}/argv")
    assert Kubectl(context="one").place() == "default"
    found = (tmp_path / "env").read_text()
    assert "AWS_PROFILE=of-the-user\n" in found and "KUBECONFIG=/the/users\n" in found
    assert "hush" not in found
    assert "--context=one\n" in (tmp_path / "argv").read_text()


@pytest.mark.parametrize("name", ["../x", "A", "a/b", "-a", "a_b", "a" * 64, "a?b", "\n"])
def test_what_is_no_namespace(name: str) -> None:
    """It becomes part of a path."""
    with pytest.raises(UsageError):
        Kubectl(namespace=name)


def test_one_namespace_or_all() -> None:
    with pytest.raises(UsageError):
        Kubectl(namespace="a", everywhere=True)
