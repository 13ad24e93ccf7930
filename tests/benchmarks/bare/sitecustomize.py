"""With this folder in PYTHONPATH an interpreter lacks what a machine lent with a GPU may lack: all
that the package needs beside torch, NumPy, SciPy and psutil.
"""

from __future__ import annotations

import sys

OPTIONAL = {
    *("nibabel", "pydantic", "isal", "nilearn", "matplotlib", "SimpleITK"),
    *("typer", "yaml", "safetensors", "h5py", "rich"),
}


class Missing:
    """A finder that finds none of them."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.split(".")[0] in OPTIONAL:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Missing())
