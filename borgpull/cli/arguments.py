"""The arguments that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

Address = Annotated[str, typer.Argument(metavar="[USER@]HOST[:PORT]", help="The client.")]
Archive = Annotated[str, typer.Argument(metavar="ARCHIVE", help="Its name, or `latest`.")]
Client = Annotated[str, typer.Argument(metavar="CLIENT", help="The client's name.")]
