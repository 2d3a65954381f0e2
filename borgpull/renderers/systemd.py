"""A service that runs a job once, by `docker run`, and its timer."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from borgpull.launchers import seccomp
from borgpull.launchers.security import security
from borgpull.renderers import units
from borgpull.renderers.plan import Plan, Source, sources

DOCKER = "/usr/bin/docker"
LABEL = "borgpull.unit"


def render(plan: Plan) -> dict[str, str]:
    """The service, the timer and, where the job has one of its own, its seccomp profile."""
    files = {f"{plan.name}.service": _service(plan), f"{plan.name}.timer": units.timer(plan)}
    if plan.needs.own_profile:
        files[units.profile(plan)] = seccomp.render()
    return files


def _service(plan: Plan) -> str:
    """`systemctl stop` ends docker's command by SIGTERM, which that passes on to the job.

    ExecStop= would not do: it is not called before a oneshot service has started, which it has at
    its end. If the command dies otherwise, the container is stopped afterwards. What was made but
    never started would hold the name, so that it is removed before.
    """
    name = units.container(plan)
    prune = f"{DOCKER} container prune --force --filter label={LABEL}={plan.name}"
    wants = "docker.service network-online.target" if plan.needs.talks else "docker.service"
    mounts = " ".join(units.quoted(place.source) for place in sources(plan) if place.bound)
    return f"""\
# Beside {plan.name}.timer in /etc/systemd/system. Then:
#   systemctl daemon-reload && systemctl enable --now {plan.name}.timer
[Unit]
Description={units.description(plan)}
Wants={wants}
After={wants}
{f"RequiresMountsFor={mounts}" if mounts else "# Its folders are volumes."}

[Service]
Type=oneshot
ExecStartPre=-/bin/sh -c 'exec {prune} >/dev/null'
ExecStart={units.lines(_run(plan))}
ExecStopPost=-/bin/sh -c '[ "$$EXIT_CODE" = exited ] || exec {DOCKER} stop {name}'
KillMode=mixed
TimeoutStartSec=infinity
TimeoutStopSec={plan.needs.stop_seconds + units.GRACE_SECONDS}
# This is for docker's command, which only talks to the engine. The options above are for the job.
CapabilityBoundingSet=
LockPersonality=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectControlGroups=yes
ProtectHome=read-only
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectSystem=strict
RestrictNamespaces=yes
RestrictSUIDSGID=yes
"""


def _run(plan: Plan) -> Iterator[str]:
    """`docker run`, in parts."""
    wanted = plan.needs
    yield f"{DOCKER} run --rm --name {units.container(plan)} --label {LABEL}={plan.name}"
    yield f"--stop-timeout {wanted.stop_seconds}"
    if wanted.confined:
        yield "--cap-drop ALL --read-only --tmpfs /tmp"
    if wanted.in_memory:
        yield f"--tmpfs {wanted.in_memory}"
    if wanted.memory is not None:
        yield f"--memory {wanted.memory} --memory-swap {wanted.memory}"
    if wanted.capabilities:
        yield " ".join(f"--cap-add {name}" for name in wanted.capabilities)
    if wanted.device:
        yield f"--device {wanted.device}"
    # %Y is the folder of the unit.
    own = f"%Y/{units.profile(plan)}" if wanted.own_profile else ""
    yield " ".join(f"--security-opt {option}" for option in security(wanted, own))
    network = plan.network or ("" if wanted.talks else "none")
    if network:
        yield f"--network {network}"
    if wanted.listens_on is not None:
        yield f"--publish {wanted.listens_on}:{wanted.listens_on}"
    for place in sources(plan):
        yield f"--mount {units.word(_mount(place))}"
    yield plan.image
    yield " ".join(units.word(text) for text in plan.words)


def _mount(place: Source) -> str:
    """As `docker run --mount` reads it. It makes no folder that is not there, as -v would."""
    kind = "bind" if place.bound else "volume"
    source = [f"source={place.source}"] if place.source else []
    fields = [f"type={kind}", *source, f"target={place.target}"]
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow([*fields, *(["readonly"] * place.read_only)])
    return text.getvalue()
