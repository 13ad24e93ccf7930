"""Extension of griffe: import functions that are made at run time, as `quicksilver.register` is."""

from __future__ import annotations

from typing import Any

import griffe


class ExpandedFunctions(griffe.Extension):
    """Replace module attributes by the functions that they are when imported.

    Args:
        paths: Their dotted paths.
    """

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths

    def on_package(self, *, pkg: griffe.Module, loader: griffe.GriffeLoader, **_: Any) -> None:
        for path in self.paths:
            module, _, name = path.rpartition(".")
            if module.split(".")[0] == pkg.name:
                parent = loader.modules_collection[module]
                parent[name] = self.inspected(module, name, parent)

    def inspected(self, module: str, name: str, parent: griffe.Module) -> griffe.Object:
        """Return a function as griffe sees the imported one."""
        found = griffe.inspect(
            module,
            filepath=None,
            import_paths=None,
            docstring_parser=griffe.Parser.google,
        )
        function = found[name]
        function.parent = parent
        return function
