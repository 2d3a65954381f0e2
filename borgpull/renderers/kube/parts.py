"""What a CronJob stands on: a volume, an account, a policy and, for `agent`, a way in."""

from __future__ import annotations

from borgpull.errors import UsageError
from borgpull.jobs import Backup, Job
from borgpull.launchers.needs import Needs
from borgpull.renderers.kube.labels import CLIENT, common, meta
from borgpull.renderers.kube.names import dns_name, label, object_name
from borgpull.renderers.kube.settings import Settings
from borgpull.renderers.kube.text import Object
from borgpull.verbs import VERBS

NODE_PORTS = range(30000, 32768)  # what a cluster gives Services, unless its admin says otherwise
DNS = 53


def claim_name(client: str) -> str:
    """The name of a client's claim: the same one for its backups, prunes and checks."""
    return object_name(f"borgpull-{client}")


def claim_of(client: str, settings: Settings) -> Object:
    """A client's volume, which one pod has at a time: the scheduler is the lock."""
    tags, notes = {**common(), CLIENT: label(client)}, {CLIENT: client}
    return claim(claim_name(client), tags, notes, settings, "ReadWriteOncePod")


def claim(
    name: str, tags: dict[str, str], notes: dict[str, str], settings: Settings, mode: str
) -> Object:
    found: Object = {
        "accessModes": [mode],
        "resources": {"requests": {"storage": settings.storage_size}},
    }
    if settings.storage_class is not None:
        found["storageClassName"] = settings.storage_class
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": meta(name, tags, notes),
        "spec": found,
    }


def account(name: str, tags: dict[str, str]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": meta(name, tags),
        "automountServiceAccountToken": False,
    }


def policy(
    name: str, tags: dict[str, str], pods: dict[str, str], wanted: Needs, settings: Settings
) -> Object:
    """What pods with these labels may reach, and who may reach them."""
    rules: Object = {"podSelector": {"matchLabels": dict(pods)}}
    rules["policyTypes"] = ["Ingress", "Egress"]
    if wanted.listens_on is not None:
        rules["ingress"] = [{"ports": [_port(wanted.listens_on)]}]
    if wanted.connects_to:
        rules["egress"] = [{"ports": [_port(DNS, "UDP"), _port(DNS)]}, _clients(wanted, settings)]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": meta(name, tags),
        "spec": rules,
    }


def policy_comment(wanted: Needs, settings: Settings) -> list[str]:
    if not wanted.connected:
        return ["The job talks to nobody."]
    ports = ", ".join(str(port) for port in wanted.connects_to)
    if settings.cidr:
        return [f"Out: DNS, and port {ports} of the networks of --cidr."]
    return [
        f"Out: DNS, and port {ports} of any machine. A policy knows no host names.",
        "Limit it by --cidr.",
    ]


def _clients(wanted: Needs, settings: Settings) -> Object:
    found: Object = {"ports": [_port(port) for port in wanted.connects_to]}
    if settings.cidr:
        found["to"] = [{"ipBlock": {"cidr": text}} for text in settings.networks]
    return found


def _port(number: int, protocol: str = "TCP") -> Object:
    return {"protocol": protocol, "port": number}


def require_way_back(job: Job, wanted: Needs) -> None:
    """Raises UsageError if a client has to connect to a pod, and no Service can let it."""
    if not (isinstance(job, Backup) and VERBS[job.verb].connects_back):
        return
    if wanted.listens_on is None:
        raise UsageError(
            f"{job.verb} needs an address by which the client reaches the cluster",
            hint="--connect-back NODE:PORT after the --, with a port of 30000 to 32767; or pipe",
        )
    if wanted.listens_on not in NODE_PORTS:
        raise UsageError(
            f"no Service of type NodePort can have port {wanted.listens_on}",
            hint="--connect-back NODE:PORT after the --, with a port of 30000 to 32767",
        )


def service(name: str, tags: dict[str, str], pods: dict[str, str], number: int) -> Object:
    """The way in for a client that connects back, by any node of the cluster."""
    port = {**_port(number), "name": "ssh", "targetPort": number, "nodePort": number}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta(dns_name(f"back-{name}"), tags),  # such a name begins with a letter
        "spec": {"type": "NodePort", "selector": dict(pods), "ports": [port]},
    }
