"""Options in groups: a frozen dataclass a group, which a command takes as one parameter.

A field is an option: its annotation holds what typer must know, its default is the option's.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Collection, Iterator
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, get_args, get_type_hints


@dataclass(frozen=True, kw_only=True)
class Group:
    """The base of all groups."""

    title: ClassVar[str]  # of the panel in `--help`


class Only:
    """In `Annotated[GROUP, Only(...)]`: the options that a command has of a group."""

    def __init__(self, *names: str) -> None:
        self.names = frozenset(names)


def one_of(names: Collection[str]) -> dict[str, Any]:
    """The type of an option with these values. typer brings neither click nor such a type."""

    def parse(word: str) -> str:
        if word not in names:
            import typer

            raise typer.BadParameter(f"{word!r} is not one of {', '.join(names)}")
        return word

    words = list(names)
    return {"parser": parse, "metavar": f"[{'|'.join(words)}]", "autocompletion": lambda: words}


def flat(function: Callable[..., None], without: Collection[str] = ()) -> Callable[..., None]:
    """The function as typer must see it: with one parameter for each option of its groups.

    `without` names options that the command does not have. In a call the groups are made again.
    """
    parameters: list[inspect.Parameter] = []
    taken: dict[str, tuple[type[Group], list[str]]] = {}
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        group, wanted = _group(parameter.annotation)
        if group is None:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        options = [item for item in _options(group) if item.name in wanted - set(without)]
        taken[parameter.name] = group, [item.name for item in options]
        parameters += options

    def command(**values: Any) -> None:
        for name, (group, options) in taken.items():
            values[name] = group(**{option: values.pop(option) for option in options})
        function(**values)

    command.__doc__ = function.__doc__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {item.name: item.annotation for item in parameters}
    return command


def _group(annotation: Any) -> tuple[type[Group] | None, set[str]]:
    """The group of an annotation, None for a plain parameter; and the wanted options of it."""
    kind, *more = get_args(annotation) if hasattr(annotation, "__metadata__") else [annotation]
    if not (isinstance(kind, type) and issubclass(kind, Group)):
        return None, set()
    wanted = {item.name for item in fields(kind)}
    for only in (item for item in more if isinstance(item, Only)):
        assert only.names <= wanted, f"{kind.__name__} has no {only.names - wanted}"
        wanted &= only.names
    return kind, wanted


def _options(group: type[Group]) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    for item in fields(group):
        (option,) = hints[item.name].__metadata__
        option = copy.copy(option)
        option.rich_help_panel = group.title
        hint = copy.copy(hints[item.name])
        hint.__metadata__ = (option,)
        default = inspect.Parameter.empty if item.default is MISSING else item.default
        kind = inspect.Parameter.KEYWORD_ONLY
        yield inspect.Parameter(item.name, kind, default=default, annotation=hint)
