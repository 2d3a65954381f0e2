"""What a rendered file gives a container, read back from it, whatever its form."""

from __future__ import annotations

import argparse
import csv
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import yaml

from borgpull.cli.drilling import Drilling
from borgpull.cli.options import Launch, RungName, Through, Where
from borgpull.cli.planned import plan
from borgpull.cli.rendered import Certificates, Timing
from borgpull.launchers.needs import Needs
from borgpull.renderers.plan import Plan, sources

# A command line for each verb that runs unattended; and what changes the needs of some.
COMMANDS = {
    "sshfs": ["sshfs", "root@web1", "/etc"],
    "stream": ["stream", "root@web1", "/etc"],
    "pipe": ["pipe", "root@web1", "/etc"],
    "socat": ["socat", "root@web1", "/etc"],
    "agent": ["agent", "root@web1", "/etc"],
    "agent back": ["agent", "--connect-back", "backup.example.org:2222", "root@web1"],
    "forward": ["forward", "root@web1", "/etc"],
    "pipe via": ["pipe", "--via", "jump@gate:2200", "root@web1", "/etc"],
    "sshfs via": ["sshfs", "--via", "jump@gate", "root@web1", "/etc"],
    "prune": ["prune", "web1", "--keep-daily", "7"],
    "check": ["check", "web1"],
    "drill": ["drill", "web1", "--check", "sshd=sshd -t"],
    "drill of a part": ["drill", "web1", "--sample", "1/14"],
    "drill out": ["drill", "web1", "--allow-network"],
    "drill that mounts": ["drill", "web1", "--how", "numeric"],
}
# What a drill may get beside its words.
DRILLS = {
    "a volume": Drilling(scratch="volume"),
    "a folder": Drilling(scratch="/srv/scratch"),
    "memory": Drilling(scratch="tmpfs:2G", memory="4G"),
    "reports": Drilling(report="/srv/reports"),
    "checks": Drilling(check=["/etc/borgpull/a.yaml", "sshd=sshd -t", "/etc/borgpull/b.yaml"]),
}

ODD = ("/a b", "/it's", '/"q"', "/$HOME ${x} $$", "/%h %%", "/back\\slash\\", "/é \U0001f600", "/;")
ODD_FOLDER = '/srv/a b, %n $x "q" \\y;é'


def planned(
    words: Sequence[str],
    *,
    name: str = "web1",
    timing: Timing | None = None,
    where: Where | None = None,
    via_key: str | None = "/etc/borgpull/via_key",
    launch: Launch | None = None,
    certificates: Certificates | None = None,
    drilling: Drilling | None = None,
) -> Plan:
    """As the command line makes it."""
    through = Through(via_key=via_key)
    usual = timing or Timing(schedule="30 2 * * *", timezone="Europe/Berlin")
    where, launch = where or Where(), launch or Launch()
    return plan(name, words, usual, where, through, launch, certificates, drilling)


def at_rung(rung: str) -> Launch:
    return Launch(rung=RungName(rung))


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a container gets."""

    image: str
    words: tuple[str, ...]
    added: frozenset[str]
    dropped: frozenset[str]
    read_only: bool
    in_memory: frozenset[str]  # with the options of each mount
    memory: tuple[int, int] | None  # without and with swap
    devices: frozenset[str]
    # Without the profile of seccomp; and whether there is one of ours.
    security: frozenset[str]
    own_profile: bool
    network: str  # "" for the engine's usual one
    ports: frozenset[tuple[int, int]]
    # Source, target, read-only. The source is "" for a volume that goes with the container.
    mounts: frozenset[tuple[str, str, bool]]
    stop_seconds: int


_RUN = argparse.ArgumentParser(exit_on_error=False)
for _name in ("cap-add", "cap-drop", "tmpfs", "device", "security-opt", "publish", "mount"):
    _RUN.add_argument(f"--{_name}", action="append", default=[])
for _name in ("name", "label", "network", "stop-timeout", "cidfile", "cgroups"):
    _RUN.add_argument(f"--{_name}", default="")
_RUN.add_argument("-v", action="append", default=[])
for _name in ("memory", "memory-swap"):
    _RUN.add_argument(f"--{_name}", type=int, default=0)
for _name in ("rm", "read-only", "replace"):
    _RUN.add_argument(f"--{_name}", action="store_true")
_RUN.add_argument("image")
_RUN.add_argument("words", nargs=argparse.REMAINDER)


def of_run(argv: Sequence[str]) -> Given:
    """What `docker run` or `podman run` is told; any other option is an error."""
    found = _RUN.parse_args(list(argv))
    assert found.rm
    profiles = {word for word in found.security_opt if word.startswith("seccomp=")}
    return Given(
        image=found.image,
        words=tuple(found.words),
        added=frozenset(name.upper() for name in found.cap_add),
        dropped=frozenset(name.upper() for name in found.cap_drop),
        read_only=found.read_only,
        in_memory=frozenset(found.tmpfs),
        memory=_both(found.memory, found.memory_swap),
        devices=frozenset(found.device),
        security=frozenset(found.security_opt) - profiles,
        own_profile=bool(profiles),
        network=found.network,
        ports=frozenset(_port(text) for text in found.publish),
        mounts=frozenset([*map(_mount, found.mount), *map(_volume, found.v)]),
        stop_seconds=int(found.stop_timeout),
    )


def _both(memory: int, with_swap: int) -> tuple[int, int] | None:
    return (memory, with_swap) if memory or with_swap else None


def _port(text: str) -> tuple[int, int]:
    host, _, inside = text.partition(":")
    return int(host), int(inside)


def _mount(text: str) -> tuple[str, str, bool]:
    (fields,) = csv.reader([text])
    pairs = dict(field.partition("=")[::2] for field in fields)
    source = pairs.get("source", "")
    assert pairs["type"] == ("bind" if source.startswith("/") else "volume")
    assert source or "source" not in pairs
    return source, pairs["target"], "readonly" in pairs


def _volume(text: str) -> tuple[str, str, bool]:
    if ":" not in text:
        return "", text, False
    source, target, *options = text.split(":")
    assert options in ([], ["ro"])
    return source, target, options == ["ro"]


def keys(unit: str) -> dict[str, list[str]]:
    """`SECTION.KEY` to the values, as systemd.syntax(7) has it."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in unit.replace("\\\n", " ").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(f"{section}.{key}", []).append(value)
    return found


def command_line(text: str) -> list[str]:
    """The words of ExecStart= as the program gets them; %Y stays as it is."""
    return [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(text)]


def of_systemd(files: Mapping[str, str]) -> Given:
    (start,) = keys(files["web1.service"])["Service.ExecStart"]
    program, run, *argv = command_line(start)
    assert (program, run) == ("/usr/bin/docker", "run")
    assert ("seccomp=%Y/web1-seccomp.json" in argv) == ("web1-seccomp.json" in files)
    return of_run(argv)


def of_compose(files: Mapping[str, str]) -> Given:
    project = yaml.safe_load(files["web1.yaml"])
    (service,) = project["services"].values()
    networks = project.get("networks", {"default": {"name": ""}})
    mounts = service["volumes"]
    profiles = {word for word in service["security_opt"] if word.startswith("seccomp=")}
    assert profiles == ({"seccomp=./web1-seccomp.json"} if "web1-seccomp.json" in files else set())
    named = {mount["source"] for mount in mounts if mount["type"] == "volume" and "source" in mount}
    assert {each["name"] for each in project.get("volumes", {}).values()} == named
    return Given(
        image=service["image"],
        words=tuple(_unescaped(word) for word in service["command"]),
        added=frozenset(service.get("cap_add", [])),
        dropped=frozenset(service.get("cap_drop", [])),
        read_only=service.get("read_only", False),
        in_memory=frozenset(service.get("tmpfs", [])),
        memory=_both(service.get("mem_limit", 0), service.get("memswap_limit", 0)),
        devices=frozenset(service.get("devices", [])),
        security=frozenset(service["security_opt"]) - profiles,
        own_profile=bool(profiles),
        network=service.get("network_mode", "").replace("bridge", "")
        or networks["default"]["name"],
        ports=frozenset(_port(text) for text in service.get("ports", [])),
        mounts=frozenset(
            (_unescaped(each.get("source", "")), each["target"], each.get("read_only", False))
            for each in mounts
        ),
        stop_seconds=int(service["stop_grace_period"].removesuffix("s")),
    )


def _unescaped(text: str) -> str:
    return text.replace("$$", "$")


# The keys that podman 4.4 has, and the option that each becomes.
_QUADLET = {
    "Image": "",
    "Exec": "",
    "ContainerName": "--name {}",
    "DropCapability": "--cap-drop {}",
    "AddCapability": "--cap-add {}",
    "ReadOnly": "--read-only",
    "AddDevice": "--device {}",
    "NoNewPrivileges": "--security-opt no-new-privileges",
    "SecurityLabelDisable": "--security-opt label=disable",
    "SeccompProfile": "--security-opt seccomp={}",
    "Network": "--network {}",
    "PublishPort": "--publish {}",
    "PodmanArgs": "{}",
}


def of_quadlet(files: Mapping[str, str]) -> Given:
    """By a table of our own; tests/docker/test_units.py asks podman itself."""
    unit = keys(files["web1.container"])
    argv = ["--rm"]
    for key, values in unit.items():
        section, _, name = key.partition(".")
        if section == "Container" and name == "Volume":
            for value in values:
                argv += ["-v", value.replace("%%", "%").replace("$$", "$")]
        elif section == "Container":
            for value in values:
                argv += _QUADLET[name].format(value).split()
    (profile,) = unit.get("Container.SeccompProfile", [""])
    wanted = "%E/containers/systemd/web1-seccomp.json" if "web1-seccomp.json" in files else ""
    assert profile == wanted
    return of_run([*argv, *unit["Container.Image"], *command_line(unit["Container.Exec"][0])])


FORMS: dict[str, Callable[[Mapping[str, str]], Given]] = {
    "compose": of_compose,
    "quadlet": of_quadlet,
    "systemd": of_systemd,
}


def in_memory(wanted: Needs) -> set[str]:
    found = {"/tmp"} if wanted.confined else set()
    scratch = wanted.scratch
    return found | ({f"/scratch:{scratch.options}"} if scratch and scratch.size else set())


def assert_as_planned(found: Given, plan: Plan) -> None:
    """It has what the plan needs, and no more."""
    wanted = plan.needs
    assert found.words == plan.words
    assert found.image.removeprefix("localhost/") == plan.image
    assert found.mounts == set(sources(plan))
    assert found.added == set(wanted.capabilities)
    assert found.dropped == ({"ALL"} if wanted.confined else set())
    assert found.read_only == wanted.confined
    assert found.in_memory == in_memory(wanted)
    assert found.memory == (None if wanted.memory is None else (wanted.memory,) * 2)
    assert found.devices == ({wanted.device} if wanted.device else set())
    assert found.own_profile == wanted.own_profile
    assert ("apparmor=unconfined" in found.security) == wanted.mounts
    assert {"no-new-privileges", "label=disable"} <= found.security
    assert len(found.security) == 2 + wanted.mounts
    assert found.network == ("" if wanted.talks else "none")
    assert found.ports == ({(wanted.listens_on,) * 2} if wanted.listens_on else set())
    assert found.stop_seconds == wanted.stop_seconds
