"""Commands that take every field of a dataclass of options as an option of their own."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import Field, fields
from functools import wraps
from typing import Annotated, Any

import typer


def take_options(options: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Let a command that has a dataclass of options among its first parameters show its fields as
    options.

    Of several such dataclasses the decorators stand in the order of the parameters.

    Fields without the metadata of `quicksilver.registration.option_fields.shown` are left out.
    """
    own = [field for field in fields(options) if field.metadata]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(*given: Any, **words: Any) -> None:
            chosen = options(**{field.name: words.pop(field.name) for field in own})
            command(*given, chosen, **words)

        taken = inspect.signature(command, eval_str=True).parameters.values()
        others = [each for each in taken if each.annotation is not options]
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
