"""Fills `torch.ops.quicksilver` as soon as torch is there, without importing torch."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any


def register_operators() -> None:
    """Register the operators with torch: now if it is imported, else right after its import."""
    if "torch" in sys.modules:
        _import_operators()
    elif not any(isinstance(finder, _TorchFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _TorchFinder())


def _import_operators() -> None:
    import_module(f"{__package__}.operators")


def _is_importing_itself() -> bool:
    """Tell whether a module of this package is what imports torch: the operators then follow."""
    own = [m for name, m in sys.modules.items() if name.startswith(f"{__package__}.")]
    return any(getattr(module.__spec__, "_initializing", False) for module in own)


class _TorchFinder(MetaPathFinder):
    """Finds torch once, where the other finders do, and has its loader register the operators."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "torch":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        loader: Any = spec.loader if spec is not None else None
        if loader is not None:
            execute = loader.exec_module

            def execute_and_register(module: ModuleType) -> None:
                execute(module)
                if not _is_importing_itself():
                    _import_operators()

            loader.exec_module = execute_and_register
        return spec
