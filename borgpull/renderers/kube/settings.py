"""What a cluster's admin decides: storage, sizes, names. No job has a say in it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from borgpull.errors import UsageError
from borgpull.renderers.kube.names import OBJECT, object_name

# A part of what Kubernetes takes for a quantity, without exponents and thousandths.
_QUANTITY = re.compile(r"([1-9][0-9]{0,17})(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P|)")
_UNITS: dict[str, int] = {"": 1} | {unit: 1000**at for at, unit in enumerate("kMGTP", 1)}
_UNITS |= {f"{unit}i": 1024**at for at, unit in enumerate("KMGTP", 1)}
_RESOURCE = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/[A-Za-z0-9]([A-Za-z0-9._-]{0,61})")

LONGEST = 2**31 - 1  # seconds: what a cluster allows a pod


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Raises UsageError for what no cluster would accept."""

    secret: str | None = None  # of the passphrase and the keys; None: by the name of the plan
    claim: str | None = None  # a PersistentVolumeClaim that there is; None: one is made a client
    storage_class: str | None = None  # None: the cluster's usual one
    storage_size: str = "10Gi"
    memory_request: str = "256Mi"
    memory_limit: str = "2Gi"
    tmp_size: str = "256Mi"  # of /tmp, which counts as memory
    time_limit: int = 86400  # seconds, the time in which a pod waits for its volume too
    cidr: tuple[str, ...] = ()  # where clients are; none: anywhere
    fuse_resource: str = "squat.ai/fuse"  # what the device plugin calls /dev/fuse
    parallelism: int = 1  # of the jobs of one shard
    scratch_size: str = "10Gi"  # of what a drill restores to
    scratch_class: str | None = None  # of a volume for that; None: a folder of the node
    report_claim: str | None = None  # a PersistentVolumeClaim for the reports of drills
    checks: str = ""  # of drills: the text of a file of checks

    def __post_init__(self) -> None:
        sizes = (self.storage_size, self.memory_request, self.memory_limit, self.tmp_size)
        for text in (*sizes, self.scratch_size):
            _require(_QUANTITY, text, "size", "for instance 500Gi")
        names = (self.secret, self.claim, self.storage_class)
        for name in (*names, self.scratch_class, self.report_claim):
            if name is not None:
                _require(OBJECT, name, "name of an object", "lower case, digits, '-', '.'")
        _require(_RESOURCE, self.fuse_resource, "resource", "for instance squat.ai/fuse")
        if not 0 < self.time_limit <= LONGEST:  # more, in nanoseconds, has ended before it began
            raise UsageError(
                f"not a time that a job can have: {self.time_limit} s",
                hint="for instance --time-limit 24h",
            )
        if _bytes(self.memory_request) > _bytes(self.memory_limit):
            raise UsageError(
                f"a job cannot need {self.memory_request} and get {self.memory_limit}",
                hint="name --memory-request, --memory-limit, or both",
            )
        _ = self.networks  # are they right?

    @property
    def networks(self) -> list[str]:
        """Those of `cidr` as a cluster takes them: an address is a network of one."""
        return [_network(text) for text in self.cidr]

    def secret_of(self, name: str) -> str:
        return self.secret or object_name(f"borgpull-{name}")


def _require(form: re.Pattern[str], text: str, what: str, hint: str) -> None:
    if not form.fullmatch(text):
        raise UsageError(f"not a {what}: {text!r}", hint=hint)


def _bytes(quantity: str) -> int:
    found = _QUANTITY.fullmatch(quantity)
    assert found is not None, "it was checked"
    return int(found[1]) * _UNITS[found[2]]


def _network(text: str) -> str:
    try:
        if "%" in text:
            raise ValueError("a cluster knows no interfaces")
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise UsageError(
            f"not a network: {text!r}: {error}", hint="for instance 192.0.2.0/24"
        ) from None
