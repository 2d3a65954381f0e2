"""The house: imports point one way, rooms stay small, no two errors share an exit code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from borgpull import errors

PACKAGE = Path(errors.__file__).parents[1]
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_MODULE, MAX_FUNCTION = 300, 50
# Commands have a parameter an option; their length is their signature.
LONG_SIGNATURES = {"borgpull.cli.commands", "borgpull.cli.backups", "borgpull.cli.restores"}

# A room may import from rooms with a smaller number, and from its own.
LEVELS = {
    "cli": 5,
    "__main__": 6,
    "ops": 4,
    "methods": 3,
    "restores": 3,
    "launchers": 3,
    "sidecar": 2,
    "client": 2,
    "borg": 2,
    "ssh": 1,
    "process": 1,
    "secrets": 1,
    "signals": 1,
    "events": 0,
    "model": 0,
    "errors": 0,
}
# process knows secrets, to keep them out of argument lists; ssh, sidecar and borg know process.
WITHIN_LEVEL = {
    ("ssh", "process"),
    ("process", "secrets"),
    ("sidecar", "ssh"),
    ("client", "borg"),
    ("restores", "methods"),  # borg on the client is readied alike
    ("model", "errors"),
}
ONLY_IN = {
    "typer": "cli",
    "rich": "cli",
    "textual": "cli",
    "docker": "launchers",
    "requests": "launchers",
}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "borgpull":
            yield from (f"borgpull.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_one_way(path: Path) -> None:
    here = room_of(name_of(path))
    for module in imports(path):
        top = module.split(".")[0]
        if top in ONLY_IN:
            assert here == ONLY_IN[top], f"{top} is imported in {name_of(path)}"
        if (
            top != "borgpull"
            or here == "__init__"
            or module in ("borgpull", "borgpull.__version__")
        ):
            continue
        there = room_of(module)
        if there in (here, "", "__version__"):
            continue
        down = LEVELS[there] < LEVELS[here] or (here, there) in WITHIN_LEVEL
        assert down, f"{name_of(path)} imports {module}"


def test_the_launchers_profile_is_the_one_exception() -> None:
    """launchers know of the sidecar only its seccomp profile: the rest runs in the container."""
    for path in (PACKAGE / "launchers").glob("*.py"):
        found = {module for module in imports(path) if module.startswith("borgpull.sidecar")}
        assert found <= {"borgpull.sidecar"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_rooms_stay_small(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= MAX_MODULE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and name_of(path) not in LONG_SIGNATURES:
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < MAX_FUNCTION, f"{node.name} is long"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_below_the_cli_prints_or_exits(path: Path) -> None:
    # Their standard output is what the sidecar's other end reads.
    programs = {"borgpull.sidecar.inside", "borgpull.sidecar.compare"}
    if room_of(name_of(path)) == "cli" or name_of(path) in programs:
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in ("print", "sys.exit", "exit", "os._exit")


def test_one_exit_code_a_cause() -> None:
    codes = [cls.exit_code for cls in errors.all_errors()]
    assert len(codes) == len(set(codes))
    assert all(0 < code < 126 for code in codes if code != errors.Interrupted.exit_code)
    for cls in errors.all_errors():
        assert cls.summary != errors.BorgpullError.summary, cls
        assert cls.hint
        assert errors.by_exit_code(cls.exit_code) in (cls, errors.BorgpullError)
