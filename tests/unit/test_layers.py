"""The house: imports point one way, rooms stay small, no two errors share an exit code."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from borgpull import errors

PACKAGE = Path(errors.__file__).parents[1]
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_MODULE, MAX_FUNCTION = 300, 50

# From the ground up. A room may import from the floors below, and from itself.
FLOORS = (
    ("errors", "verb", "ways", "capabilities", "places", "late", "plain", "sidecar", "descendants"),
    ("verbs",),
    ("outputs", "paths"),
    ("events", "results", "signals", "secrets", "trees", "addresses"),
    ("names", "streams", "asking"),
    ("jobs",),
    ("process",),
    ("ssh",),
    ("borg",),
    ("client", "jail", "state"),
    ("readers",),
    ("methods",),
    ("restores",),
    ("drills", "guard"),
    ("ops",),
    ("launchers",),
    ("renderers", "reports"),
    ("kube",),
    ("cli",),
    ("__main__",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
ONLY_IN = {
    "typer": "cli",
    "rich": "cli",
    "textual": "cli",
    "docker": "launchers",
    "requests": "launchers",
    "cronsim": "renderers",
    "yaml": "renderers drills",
}


TESTS = Path(__file__).parent
# These test the whole program, its documents, or a whole room.
WHOLE = {
    f"test_{name}"
    for name in (
        "bench completion examples faults fuzz inputs kube kubechecks layers links outputs readme "
        "rounds sentences started weights"
    ).split()
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
        known = ("borgpull", "borg", *ONLY_IN)
        assert top in known or top in sys.stdlib_module_names, f"no user gets {module}"
        if top in ONLY_IN:
            assert here in ONLY_IN[top].split(), f"{top} is imported in {name_of(path)}"
        if (
            top != "borgpull"
            or here == "__init__"
            or module in ("borgpull", "borgpull.__version__")
        ):
            continue
        there = room_of(module)
        if there in (here, "", "__version__"):
            continue
        assert FLOOR[there] < FLOOR[here], f"{name_of(path)} imports {module}"


def test_only_the_programs_inside_borg_import_it() -> None:
    """They run where borg is. They bring along nothing of ours but each other."""
    inside = [path for path in MODULES if path.parent == PACKAGE / "borg/inside"]
    assert len(inside) > 1
    for path in MODULES:
        found = list(imports(path))
        if path not in inside:
            assert not any(module.split(".")[0] == "borg" for module in found), name_of(path)
            continue
        ours = [module for module in found if module.split(".")[0] == "borgpull"]
        assert all(module.startswith("borgpull.borg.inside") for module in ours), name_of(path)


def test_the_docker_launcher_knows_nothing_of_what_runs_in_the_container() -> None:
    """No op, no method: what the image has may be another version's."""
    for path in (PACKAGE / "launchers").glob("*.py"):
        if path.name == "run.py":  # the choice, of which one is to run the op here
            continue
        found = {room_of(module) for module in imports(path) if module.startswith("borgpull.")}
        assert not found & {"ops", "methods", "restores", "client", "jail", "ssh", "process"}


def test_no_floor_knows_a_verb_by_name() -> None:
    """What a verb is stands in its row (borgpull/verbs.py); an op is one verb's own."""
    for path in MODULES:
        if room_of(name_of(path)) in ("ops", "cli", "verbs"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare) and ast.unparse(node.left).endswith(".verb"):
                words = {ast.unparse(word) for word in node.comparators} - {"VERBS"}
                assert not words, f"{name_of(path)} asks for {words}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_rooms_stay_small(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= MAX_MODULE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < MAX_FUNCTION, f"{node.name} is long"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_below_the_cli_prints_or_exits(path: Path) -> None:
    # Their standard output is what the sidecar's other end reads.
    programs = {f"borgpull.jail.{name}" for name in ("inside", "compare", "reread")}
    programs |= {f"borgpull.readers.{name}.__main__" for name in ("sftp", "shell")}
    programs |= {"borgpull.borg.inside.starting"}  # how the programs beside it end
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


@pytest.mark.parametrize("path", sorted(TESTS.rglob("test_*.py")), ids=lambda path: path.stem)
def test_the_tests_mirror_the_package(path: Path) -> None:
    if path.parent != TESTS or path.stem not in WHOLE:
        module = path.relative_to(TESTS).with_name(path.name.removeprefix("test_"))
        assert (PACKAGE / module).is_file(), f"nothing is called {module}"


def test_each_script_that_is_asked_for_is_there() -> None:
    """A name that is asked for and not there would be told by a run only."""
    asked = {
        node.args[0].value
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] == "script"
        and isinstance(node.args[0], ast.Constant)
    }
    there = {path.name for path in (PACKAGE / "client/scripts").iterdir()}
    assert {"attributes.py", "run.sh", "walk.sh"} <= asked <= there
