"""A container unit of podman's quadlet (podman-systemd.unit(5)) and its timer.

The keys are those of podman 4.4. Later ones would keep an older podman from making the service, so
that podman's own options stand for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from borgpull.errors import UsageError
from borgpull.launchers import seccomp
from borgpull.launchers.security import COMMON_SECURITY, security
from borgpull.renderers import units
from borgpull.renderers.plan import Plan, Source, sources

# What security() always says has keys of its own here.
SECURITY_KEYS = ("NoNewPrivileges=true", "SecurityLabelDisable=true")
# Where quadlet looks: below /etc for root, below ~/.config for a user.
FOLDER = "%E/containers/systemd"
_UNQUOTED = re.compile(r"[\s:$\"'\\]")
# Its generator reads these as systemd does, and writes them without the quotes: the first ends the
# command line there, the second one starts another.
_LOST = {"", ";"}
# What ends like this is, for quadlet, another unit of its own.
_UNITS = re.compile(r".*\.(volume|network|container|image|build|pod)")


def render(plan: Plan) -> dict[str, str]:
    """The container's unit, the timer and, where the job has one, its seccomp profile."""
    files = {f"{plan.name}.container": _unit(plan), f"{plan.name}.timer": units.timer(plan)}
    if plan.needs.own_profile:
        files[units.profile(plan)] = seccomp.render()
    return files


def _unit(plan: Plan) -> str:
    keys = "\n".join(_container(plan))
    network = "Wants=network-online.target\nAfter=network-online.target\n"
    return f"""\
# In /etc/containers/systemd, and {plan.name}.timer in /etc/systemd/system. Then:
#   systemctl daemon-reload && systemctl enable --now {plan.name}.timer
[Unit]
Description={units.description(plan)}
{network if plan.needs.talks else ""}
[Container]
{keys}

[Service]
Type=oneshot
TimeoutStartSec=infinity
TimeoutStopSec={plan.needs.stop_seconds + units.GRACE_SECONDS}
"""


def _container(plan: Plan) -> Iterator[str]:
    wanted = plan.needs
    yield f"Image={_image(plan.image)}"
    yield f"ContainerName={units.container(plan)}"
    yield f"Exec={' '.join(_word(text) for text in plan.words)}"
    if wanted.confined:
        yield from ("DropCapability=all", "ReadOnly=true", "PodmanArgs=--tmpfs /tmp")
    if wanted.in_memory:
        yield f"PodmanArgs=--tmpfs {wanted.in_memory}"
    if wanted.memory is not None:
        yield f"PodmanArgs=--memory {wanted.memory} --memory-swap {wanted.memory}"
    yield from (f"AddCapability={name}" for name in wanted.capabilities)
    if wanted.device:
        yield f"AddDevice={wanted.device}"
    yield from SECURITY_KEYS
    if wanted.own_profile:
        yield f"SeccompProfile={FOLDER}/{units.profile(plan)}"
    for option in security(wanted, ""):
        if option not in COMMON_SECURITY:
            yield f"PodmanArgs=--security-opt {option}"
    network = plan.network or ("" if wanted.talks else "none")
    if network:
        yield f"Network={_no_unit(network)}"
    if wanted.listens_on is not None:
        yield f"PublishPort={wanted.listens_on}:{wanted.listens_on}"
    yield from (f"Volume={_volume(place)}" for place in sources(plan))
    yield f"PodmanArgs=--stop-timeout {wanted.stop_seconds}"


def _image(name: str) -> str:
    """For podman, a name without a registry is a question. An image made here is in `localhost`."""
    return _no_unit(name if "/" in name else f"localhost/{name}")


def _word(text: str) -> str:
    if text in _LOST:
        raise UsageError(f"podman would not pass on the word {text!r}", hint="leave it out")
    return units.word(text)


def _no_unit(name: str) -> str:
    if _UNITS.fullmatch(name):
        raise UsageError(f"for quadlet, {name!r} is a unit of its own", hint="use another name")
    return name


def _volume(place: Source) -> str:
    """Podman makes no folder that is not there.

    A colon ends a path for it. It waits for a path's mounts in a line that it does not quote.
    Raises UsageError.
    """
    if _UNQUOTED.search(place.source):
        raise UsageError(
            f"not a path for quadlet: {place.source!r}", hint="use none of blank : $ \" ' \\"
        )
    if not place.source:
        return place.target
    source = (place.source if place.bound else _no_unit(place.source)).replace("%", "%%")
    return f"{source}:{place.target}{':ro' if place.read_only else ''}"
