"""Progress bars on a terminal, and lines above them."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column


class Bars:
    """One bar at a time on standard error. Texts are harmless by now (text.safe)."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        # The path takes what is left of the line: the other columns must not jump.
        rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            TimeElapsedColumn(),
            TextColumn("{task.fields[numbers]}"),
            TextColumn("{task.fields[path]}", table_column=rest),
            console=self._console,
            transient=True,
            expand=True,
        )
        self._task: TaskID | None = None

    def start(self) -> None:
        self._progress.start()

    def stop(self) -> None:
        self._progress.stop()

    def line(self, text: str, style: str | None) -> None:
        self._console.print(escape(text), style=style, markup=True)

    def begin(self, name: str) -> None:
        """Another bar in the place of the one before."""
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(escape(name), total=None, numbers="", path="")

    def update(self, completed: int, total: int | None, numbers: str, path: str) -> None:
        if self._task is not None:
            self._progress.update(
                self._task, completed=completed, total=total, numbers=numbers, path=escape(path)
            )
