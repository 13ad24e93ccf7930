"""Quicksilver: fast diffeomorphic registration of brain images.

The parts are imported by name, so that ``import quicksilver`` and the command line start at once:

>>> from quicksilver.images import read_image
>>> from quicksilver.registration import register
"""

from __future__ import annotations


def __getattr__(name: str) -> str:
    if name == "__version__":  # written once, in quicksilver_ext, whose import brings torch along
        from quicksilver_ext import __version__

        return __version__
    raise AttributeError(f"module 'quicksilver' has no attribute '{name}'")
