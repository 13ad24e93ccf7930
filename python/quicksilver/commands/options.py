"""Commands that take every field of a dataclass of options as an option of their own."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import Field, fields
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SomeOptions = TypeVar("SomeOptions", bound="DataclassInstance")


def take_options(
    options: type[SomeOptions],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Let a command whose first parameter is a dataclass of options show its fields as options.

    Fields without the metadata of `quicksilver.registration.options.shown` are left out.
    """
    own = [field for field in fields(options) if field.metadata]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(**words: Any) -> None:
            chosen = options(**{field.name: words.pop(field.name) for field in own})
            command(chosen, **words)

        _, *others = inspect.signature(command, eval_str=True).parameters.values()
        parameters = [*others, *map(_parameter, own)]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return decorate


def _parameter(field: Field[Any]) -> inspect.Parameter:
    """A field of options as the parameter that typer makes an option of."""
    about = field.metadata
    flags = () if about["flags"] is None else (about["flags"],)
    kind = about["kind"] or type(field.default)
    option = typer.Option(*flags, help=about["help"], min=about["minimum"])
    return inspect.Parameter(
        field.name,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=field.default,
        annotation=Annotated[kind, option],
    )
