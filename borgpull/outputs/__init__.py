"""What `--json` prints, as types: of the lines of every command, and of each verb's own.

`scripts/schemas.py` makes the schemas in docs/json of them. The string below a key says what it
means. `Annotated[T, Literal[...]]` allows these words only: of a text, or as keys.
"""
