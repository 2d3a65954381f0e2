"""A compose file with one service, for compose 2. Compose has no timetable: cron starts it."""

from __future__ import annotations

from typing import Any

import yaml

from borgpull.launchers import seccomp
from borgpull.launchers.security import security
from borgpull.renderers.plan import Plan, sources


def render(plan: Plan) -> dict[str, str]:
    """The compose file and, where the job has a seccomp profile of its own, that profile."""
    name = f"{plan.name}.yaml"
    head = [
        f"borgpull {plan.words[0]}, one run: docker compose -f {name} run --rm {plan.name}",
        *plan.timetable.comment(),
        "Compose starts nothing by itself. A line of cron:",
        f"  {plan.timetable.cron} docker compose -f FOLDER/{name} run --rm {plan.name}",
    ]
    body = yaml.safe_dump({"services": {plan.name: _service(plan)}}, sort_keys=False, width=100)
    files = {name: "".join(f"# {line}\n" for line in head) + body}
    if plan.needs.own_profile:
        files[_profile(plan)] = seccomp.render()
    return files


def _profile(plan: Plan) -> str:
    return f"{plan.name}-seccomp.json"


def _service(plan: Plan) -> dict[str, Any]:
    wanted = plan.needs
    service: dict[str, Any] = {
        "image": plan.image,
        "command": [_literal(word) for word in plan.words],
        "restart": "no",
        "stop_grace_period": f"{wanted.stop_seconds}s",
        "security_opt": security(wanted, f"./{_profile(plan)}" if wanted.own_profile else ""),
        "volumes": [_mount(*place) for place in sources(plan)],
    }
    if wanted.confined:
        service |= {"cap_drop": ["ALL"], "read_only": True, "tmpfs": ["/tmp"]}  # noqa: S108 - in the container
    if wanted.capabilities:
        service["cap_add"] = list(wanted.capabilities)
    if wanted.device:
        service["devices"] = [wanted.device]
    if wanted.listens_on is not None:
        service["ports"] = [f"{wanted.listens_on}:{wanted.listens_on}"]
    service["network_mode"] = plan.network or ("bridge" if wanted.talks else "none")
    return service


def _mount(source: str, target: str, read_only: bool) -> dict[str, Any]:
    """Nothing is made on the host: a wrong path must not become an empty repository."""
    kind = "bind" if source.startswith("/") else "volume"
    mount: dict[str, Any] = {"type": kind, "source": _literal(source), "target": target}
    if read_only:
        mount["read_only"] = True
    if kind == "bind":
        mount["bind"] = {"create_host_path": False}
    return mount


def _literal(text: str) -> str:
    """Compose puts variables in place of `$NAME`; `$$` is a dollar sign."""
    return text.replace("$", "$$")
