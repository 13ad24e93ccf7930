"""Open the models that ship with the package, and models by name or path."""

from __future__ import annotations

import os
from importlib.resources import as_file, files
from pathlib import Path

from quicksilver.errors import QuicksilverError
from quicksilver.networks.files import load_model
from quicksilver.networks.model import Model
from quicksilver.networks.published import PUBLISHED, load_published

DEFAULT_MODEL = "default-2mm"
SUFFIX = ".safetensors"
WEIGHTS = files("quicksilver.networks") / "weights"


def shipped_models() -> list[str]:
    """List the names of the models that ship with the package."""
    return sorted(
        file.name.removesuffix(SUFFIX) for file in WEIGHTS.iterdir() if SUFFIX in file.name
    )


def default_model() -> Model:
    """Open the model that `register` uses where none is named."""
    return open_model(DEFAULT_MODEL)


def open_model(path: Model | str | os.PathLike[str] | None) -> Model:
    """Open a model.

    Args:
        path: A file in either format, the name of a model that ships, or a model, which is returned
            as it is; None: the default model.

    Raises:
        QuicksilverError: The file is missing or holds no model.

    Example:
        >>> open_model("default-2mm").config.spacing
        2.0
    """
    if isinstance(path, Model):
        return path
    name = DEFAULT_MODEL if path is None else os.fspath(path)
    if name in shipped_models():
        with as_file(WEIGHTS / f"{name}{SUFFIX}") as file:
            return load_model(file)
    assert path is not None
    if not Path(path).suffix and not Path(path).exists():
        raise QuicksilverError(
            f"expected a model file or the name of a model that ships "
            f"({', '.join(shipped_models())}), found {name}; choose one of these"
        )
    published = Path(path).name.endswith(PUBLISHED)
    return load_published(Path(path)) if published else load_model(Path(path))
