"""In a container of our image: a chunk of an item that could be copied is gone, or was stored anew.

`python3 -m tests.support.engine_chunks` prints what it found as JSON.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.engine_alone import BASE, OLD, SECOND, File, borg, frames_of
from tests.support.engine_runs import FOLDER, copied, counted

NAMES = "abcde"
SIZE = 3000


class Runs:
    """Runs of one client. Each has a newest file, which borg forgets."""

    def __init__(self, fault: str, turn: int) -> None:
        self.fault, self.turn, self.number = fault, turn, 0

    def file(self, name: str) -> str:
        """No other case has this one."""
        return f"{name}-{self.fault}{self.turn}"

    def content(self, name: str) -> bytes:
        return f"{name} {self.fault} {self.turn} ".encode().ljust(SIZE, b".")

    def run(self, named: str, answered: str) -> tuple[int, int]:
        """The exit code, and how many items were copied."""
        self.number += 1
        late = OLD + (self.number + 100 * self.turn) * SECOND
        files = [
            File(
                *(self.file(one), 20 + ord(one), self.content(one), OLD + self.turn),
                answered=one in answered,
            )
            for one in named
        ]
        frames = frames_of(*files, File("z", 99, b"newer", late))
        folder = FOLDER / f"{self.fault}{self.turn}"
        folder.mkdir(parents=True, exist_ok=True)
        archive = f"{self.fault}{self.turn}-{self.number}"
        code, text = counted(archive, frames, folder, self.number).end()
        return code, copied(text)


def chunk(fault: str, turn: int, name: str) -> dict[str, Any]:
    """One file's chunk, of five: the archive that has it is deleted, and others have the rest."""
    runs = Runs(fault, turn)
    others = NAMES.replace(name, "")
    codes = [runs.run(others, others), runs.run(NAMES, name)]
    archive = f"::{fault}{turn}-"
    borg("delete", f"{archive}2")
    if fault == "anew":
        (BASE / "one").write_bytes(runs.content(name))
        words = ("--compression", "none", "--files-cache", "disabled", f"{archive}anew")
        borg("create", *words, f"{BASE}/one")
    codes.append(runs.run(NAMES, name if fault == "gone" else ""))
    wanted = {one: runs.content(one).decode() for one in NAMES}
    lines = borg("list", "--json-lines", "--format", "{path}{csize}", f"{archive}3").splitlines()
    found = {line["path"]: line["csize"] for line in map(json.loads, lines)}
    return {
        "codes": codes,
        "same": {
            one: borg("extract", "--stdout", f"{archive}3", f"r/{runs.file(one)}") for one in NAMES
        }
        == wanted,
        "order": [path[2:3] for path in found if path != "r"] == [*NAMES, "z"],
        "larger": [one for one in NAMES if found[f"r/{runs.file(one)}"] > SIZE // 2],
    }


def main() -> None:
    Path(FOLDER).mkdir(parents=True)
    borg("init", "--encryption", "repokey-blake2")
    print(
        json.dumps(
            {
                f"{fault} {name}": chunk(fault, turn, name)
                for fault in ("gone", "anew")
                for turn, name in enumerate("ace")
            }
        )
    )


if __name__ == "__main__":
    main()
