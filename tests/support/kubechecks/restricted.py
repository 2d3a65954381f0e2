"""Pod Security *restricted* and *baseline*, by the "Pod Security Standards" of kubernetes.io."""

from __future__ import annotations

from typing import Any

from tests.support.kubechecks.forms import Found

VOLUMES = {
    *("configMap", "downwardAPI", "emptyDir", "projected", "secret", "csi"),
    *("persistentVolumeClaim", "ephemeral", "image"),
}
SECCOMP = {"RuntimeDefault", "Localhost"}
SELINUX = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
BASELINE = {
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD"),
    *("NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
}
SYSCTLS = {
    *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies"),
    *("net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start"),
    *("net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time"),
    *("net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes"),
    *("net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"),
}
SYSCTLS_OF_37 = {"net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_notsent_lowat"}
HANDLERS = ("livenessProbe", "readinessProbe", "startupProbe")


def baseline(spec: dict[str, Any], minor: int = 37, notes: dict[str, str] | None = None) -> Found:
    """What *baseline* has against a pod."""
    pod = spec.get("securityContext") or {}
    containers = _containers(spec)
    yield from _host(spec, containers, minor)
    if any("hostPath" in volume for volume in spec.get("volumes", [])):
        yield "a volume of the host"
    yield from _shared(pod, notes or {}, minor)
    for context in [container.get("securityContext") or {} for container in containers]:
        yield from _profiles(context)
        yield from _container(context)
        if added := set((context.get("capabilities") or {}).get("add", [])) - BASELINE:
            yield f"capabilities are added: {sorted(added)}"
    for context in [pod, *(container.get("securityContext") or {} for container in containers)]:
        if (context.get("seccompProfile") or {}).get("type") == "Unconfined":
            yield "seccomp is off"


def _containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = ("containers", "initContainers", "ephemeralContainers")
    return [container for kind in kinds for container in spec.get(kind, [])]


def restricted(spec: dict[str, Any], minor: int = 37, notes: dict[str, str] | None = None) -> Found:
    """What Kubernetes 1.`minor` has against a pod; `notes` are its annotations."""
    pod = spec.get("securityContext") or {}
    containers = _containers(spec)
    windows = (spec.get("os") or {}).get("name") == "windows"
    yield from _host(spec, containers, minor)
    yield from _volumes(spec)
    yield from _shared(pod, notes or {}, minor)
    for container in containers:
        context = container.get("securityContext") or {}
        yield from _context(context, windows)
        yield from _profiles(context)
    waived = minor >= 35 and spec.get("hostUsers") is False
    if not waived:
        yield from _user(pod, containers)
    if not windows:
        yield from _seccomp(pod, containers)


def _host(spec: dict[str, Any], containers: list[dict[str, Any]], minor: int) -> Found:
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(key):
            yield key
    for container in containers:
        if any(port.get("hostPort") for port in container.get("ports", [])):
            yield "hostPort"
        if minor < 34:
            continue
        handlers = [container.get(key) for key in HANDLERS]
        handlers += (container.get("lifecycle") or {}).values()
        for handler in handlers:
            if any((handler or {}).get(kind, {}).get("host") for kind in ("httpGet", "tcpSocket")):
                yield "a host in a probe or a hook"


def _volumes(spec: dict[str, Any]) -> Found:
    for volume in spec.get("volumes", []):
        if not set(volume) - {"name"} <= VOLUMES:
            yield f"a volume of {sorted(set(volume) - {'name'})}"


def _shared(pod: dict[str, Any], notes: dict[str, str], minor: int) -> Found:
    """What a pod says for all its containers."""
    yield from _profiles(pod)
    for sysctl in pod.get("sysctls", []):
        if sysctl["name"] not in SYSCTLS | (SYSCTLS_OF_37 if minor >= 37 else set()):
            yield f"sysctl {sysctl['name']}"
    for key, value in notes.items():
        known = value == "runtime/default" or value.startswith("localhost/")
        if key.startswith("container.apparmor.security.beta.kubernetes.io/") and not known:
            yield f"AppArmor {value!r}"


def _profiles(context: dict[str, Any]) -> Found:
    linux = context.get("seLinuxOptions") or {}
    if linux.get("type", "") not in SELINUX or linux.get("user") or linux.get("role"):
        yield f"seLinuxOptions {linux}"
    if (context.get("appArmorProfile") or {}).get("type") == "Unconfined":
        yield "AppArmor is off"
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield "hostProcess"


def _container(context: dict[str, Any]) -> Found:
    if context.get("privileged"):
        yield "privileged"
    if context.get("procMount", "Default") != "Default":
        yield "procMount"


def _context(context: dict[str, Any], windows: bool) -> Found:
    yield from _container(context)
    if windows:
        return
    if context.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    capabilities = context.get("capabilities") or {}
    if "ALL" not in capabilities.get("drop", []):
        yield "capabilities are not dropped: ALL"
    if added := set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield f"capabilities are added: {sorted(added)}"


def _user(pod: dict[str, Any], containers: list[dict[str, Any]]) -> Found:
    if pod.get("runAsUser") == 0:
        yield "runAsUser 0"
    for container in containers:
        context = container.get("securityContext") or {}
        if context.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True:
            yield "runAsNonRoot is not true"
        if context.get("runAsUser") == 0:
            yield "runAsUser 0"


def _seccomp(pod: dict[str, Any], containers: list[dict[str, Any]]) -> Found:
    of_pod = (pod.get("seccompProfile") or {}).get("type")
    if of_pod is not None and of_pod not in SECCOMP:
        yield f"seccomp {of_pod!r}"
    for container in containers:
        own = (container.get("securityContext") or {}).get("seccompProfile") or {}
        if own.get("type", of_pod) not in SECCOMP:
            yield f"seccomp {own.get('type', of_pod)!r}"
