"""A compose file with one service, for compose 2. Compose has no timetable: cron starts it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from borgpull.launchers import seccomp
from borgpull.launchers.security import security
from borgpull.renderers.plan import Plan, Source, sources
from borgpull.renderers.yamltext import dump

# Networks that the engine has without a name of ours.
_OF_THE_ENGINE = re.compile(r"bridge|host|none|container:.*")


def render(plan: Plan) -> dict[str, str]:
    """The compose file and, where the job has a seccomp profile of its own, that profile."""
    head = "".join(f"# {line}\n" for line in _head(plan))
    files = {_file(plan): head + dump(_project(plan))}
    if plan.needs.own_profile:
        files[_profile(plan)] = seccomp.render()
    return files


def _head(plan: Plan) -> Iterator[str]:
    # Without the option, `run` publishes no port.
    ports = "--service-ports " if plan.needs.listens_on is not None else ""
    run = f"run --rm {ports}"
    yield f"borgpull {plan.words[0]}, one run: docker compose -f {_file(plan)} {run}{plan.name}"
    yield from plan.timetable.comment()
    yield "Compose starts nothing by itself. A line of /etc/cron.d; FOLDER is the file's, and"
    yield f"the machine's time zone must be {plan.timetable.zone}:"
    cron = plan.timetable.cron
    yield f"  {cron} root docker compose -f FOLDER/{_file(plan)} {run}-T {plan.name}"


def _file(plan: Plan) -> str:
    return f"{plan.name}.yaml"


def _profile(plan: Plan) -> str:
    return f"{plan.name}-seccomp.json"


def _project(plan: Plan) -> dict[str, Any]:
    """Named volumes and networks must be there. Otherwise compose would make some of its own."""
    places = list(sources(plan))
    # Else the folder's name would be the project's, and not every one may be.
    project: dict[str, Any] = {"name": "borgpull-" + plan.name.lower().replace(".", "-")}
    project["services"] = {plan.name: _service(plan, places)}
    volumes = [place.source for place in places if place.source and not place.bound]
    if volumes:
        project["volumes"] = {name: {"name": name, "external": True} for name in volumes}
    if plan.network and not _OF_THE_ENGINE.fullmatch(plan.network):
        project["networks"] = {"default": {"name": plan.network, "external": True}}
    return project


def _service(plan: Plan, places: list[Source]) -> dict[str, Any]:
    wanted = plan.needs
    service: dict[str, Any] = {
        "image": plan.image,
        "command": [_literal(word) for word in plan.words],
        "restart": "no",
        "stop_grace_period": f"{wanted.stop_seconds}s",
        "security_opt": security(wanted, f"./{_profile(plan)}" if wanted.own_profile else ""),
        "volumes": [_mount(place) for place in places],
    }
    if wanted.confined:
        service |= {"cap_drop": ["ALL"], "read_only": True, "tmpfs": ["/tmp"]}  # noqa: S108 - in the container
    if wanted.in_memory:
        service["tmpfs"].append(wanted.in_memory)
    if wanted.memory is not None:
        service |= {"mem_limit": wanted.memory, "memswap_limit": wanted.memory}
    if wanted.capabilities:
        service["cap_add"] = list(wanted.capabilities)
    if wanted.device:
        service["devices"] = [wanted.device]
    if wanted.listens_on is not None:
        service["ports"] = [f"{wanted.listens_on}:{wanted.listens_on}"]
    network = plan.network or ("bridge" if wanted.talks else "none")
    if _OF_THE_ENGINE.fullmatch(network):
        service["network_mode"] = network
    return service


def _mount(place: Source) -> dict[str, Any]:
    """Nothing is made on the host: a wrong path must not become an empty repository."""
    kind = "bind" if place.bound else "volume"
    mount: dict[str, Any] = {"type": kind}
    if place.source:
        mount["source"] = _literal(place.source)
    mount["target"] = place.target
    if place.read_only:
        mount["read_only"] = True
    if place.bound:
        mount["bind"] = {"create_host_path": False}
    return mount


def _literal(text: str) -> str:
    """Compose puts variables in place of `$NAME`; `$$` is a dollar sign."""
    return text.replace("$", "$$")
