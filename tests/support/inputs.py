"""Tests of what seldom changes: they run when their inputs differ from those they last passed with.

`tests/passed.json` says with which ones that was. Only a run that has passed writes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "tests" / "passed.json"


def digest(paths: Iterable[str]) -> str:
    """Of the files, and of all files in the folders: of their names, modes and contents."""
    found = hashlib.sha256()
    for path in sorted({file for name in paths for file in _files(ROOT / name)}):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        runs = bool(path.stat().st_mode & 0o100)
        found.update(f"{path.relative_to(ROOT)}\0{runs}\0{content}\n".encode())
    return found.hexdigest()


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts]


def recorded() -> dict[str, str]:
    """File of tests to the digest that it last passed with."""
    found: dict[str, str] = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    return found


def record(passed: dict[str, str]) -> None:
    RECORD.write_text(json.dumps({**recorded(), **passed}, indent=2, sort_keys=True) + "\n")
