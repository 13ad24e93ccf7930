"""Quicksilver: fast diffeomorphic registration of brain images.

>>> import quicksilver
>>> found = quicksilver.register("moving.nii.gz", "target.nii.gz")  # doctest: +SKIP

`register`, `fit` and `strip` are those of `quicksilver.api`, `template` is
`quicksilver.templates.build.build_template`, all imported when they are asked for, so that ``import
quicksilver`` and the command line start at once; the parts are imported by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quicksilver._moved import keep_old_paths

if TYPE_CHECKING:
    from quicksilver.api import fit as fit
    from quicksilver.api import register as register
    from quicksilver.api import strip as strip
    from quicksilver.templates.build import build_template as template

__all__ = ["fit", "register", "strip", "template"]

keep_old_paths()


def __getattr__(name: str) -> Any:
    if name == "template":
        from quicksilver.templates.build import build_template

        return build_template
    if name in __all__:
        from quicksilver import api

        return getattr(api, name)
    if name == "__version__":  # written once, in quicksilver_ext, whose import brings torch along
        from quicksilver_ext import __version__

        return __version__
    raise AttributeError(f"module 'quicksilver' has no attribute '{name}'")
