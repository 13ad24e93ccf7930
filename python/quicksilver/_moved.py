"""Import paths of version 0.1 that its documentation showed; they work until version 0.3."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "quicksilver.recipes": "quicksilver.training.recipe",
    "quicksilver.smoothing": "quicksilver.images.sharpness",
    "quicksilver.validation": "quicksilver.training.validation",
}
"""New path of each module by its old one."""


class MovedModules(MetaPathFinder, Loader):
    """Import the module at the new path when the old one is asked for, with a warning."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in MOVED else None

    def exec_module(self, module: ModuleType) -> None:
        new = MOVED[module.__name__]
        warnings.warn(f"{module.__name__} is now {new}", DeprecationWarning, stacklevel=2)
        sys.modules[module.__name__] = import_module(new)


def keep_old_paths() -> None:
    """Let the old paths be imported."""
    sys.meta_path.append(MovedModules())
