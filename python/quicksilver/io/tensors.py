"""Write tensors into files, complete or not at all, whatever becomes of the disk."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from quicksilver.io.files import replacing


def write_tensors(
    path: str | Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None
) -> None:
    """Write tensors and words as safetensors.

    Raises:
        QuicksilverError: The file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(save(tensors, metadata))


def write_state(path: str | Path, state: Mapping[str, Any]) -> None:
    """Write what `torch.save` can, through memory: its own writer aborts on a full disk.

    Raises:
        QuicksilverError: The file cannot be written.
    """
    stream = io.BytesIO()
    torch.save(state, stream)
    with replacing(path) as temporary:
        temporary.write_bytes(stream.getbuffer())
