"""Where the files go that `render` makes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from borgpull.errors import ConfigError

Name = Annotated[
    str, typer.Option("--name", help="Of the unit, the service, the CronJob.", show_default=False)
]
Output = Annotated[
    Path | None,
    typer.Option("--output", metavar="FOLDER", help="Write the files there; else print them."),
]


def put(files: Mapping[str, str], folder: Path | None) -> None:
    """Print the files one after another, or write them into a folder. Raises ConfigError."""
    if folder is None:
        for name, text in files.items():
            typer.echo(text if len(files) == 1 else f"# {name}\n{text}", nl=False)
        return
    for name, text in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        except OSError as error:
            raise ConfigError(f"cannot write {path}: {error.strerror}") from None
        typer.echo(str(path))
