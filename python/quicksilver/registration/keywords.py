"""Make functions of two images and options that take each option as a keyword."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import ParamSpec, Protocol, TypeVar

from quicksilver.io.images import ImageLike

P = ParamSpec("P")
Options = TypeVar("Options")
Value = TypeVar("Value", covariant=True)


class OfTwoImages(Protocol[P, Value]):
    """A function of two images and of options by their names."""

    def __call__(
        self, moving: ImageLike, target: ImageLike, *args: P.args, **kwargs: P.kwargs
    ) -> Value: ...


def expand_options(
    name: str,
    function: Callable[[ImageLike, ImageLike, Options], Value],
    options: Callable[P, Options],
) -> OfTwoImages[P, Value]:
    """Return a function that takes the fields of a dataclass of options as arguments.

    Its signature and its documentation name every option with its default.

    Args:
        name: Name of the new function.
        function: Takes two images and the options.
        options: The dataclass.
    """

    def call(moving: ImageLike, target: ImageLike, *args: P.args, **kwargs: P.kwargs) -> Value:
        return function(moving, target, options(*args, **kwargs))

    own = inspect.signature(function)
    images = list(own.parameters.values())[:2]
    fields = inspect.signature(options).parameters.values()
    call.__name__ = call.__qualname__ = name
    call.__module__ = function.__module__
    call.__signature__ = own.replace(parameters=[*images, *fields])  # type: ignore[attr-defined]
    call.__doc__ = _document(function, options)
    return call


def _document(function: Callable[..., object], options: Callable[..., object]) -> str:
    """Return the function's documentation with the arguments of all options."""
    lines = inspect.getdoc(function) or ""
    classes = reversed(inspect.getmro(options)) if isinstance(options, type) else ()
    described = [
        inspect.cleandoc(each.__doc__ or "").partition("Args:\n")[2]
        for each in classes
        if each is not object
    ]
    head, mark, rest = lines.partition("\n\nReturns:")
    return "\n".join([head, *filter(None, described)]) + mark + rest
