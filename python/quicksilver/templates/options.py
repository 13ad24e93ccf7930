"""The options of a group template. Nothing heavy is imported: the command line reads this."""

from __future__ import annotations

import os
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING

from quicksilver.registration.option_fields import DEVICE, MODEL, REFINE, check_ranges, shown

if TYPE_CHECKING:
    import torch

    from quicksilver.networks.model import Model


@dataclass(frozen=True)
class TemplateOptions:
    """How a template is made of a group of images.

    Args:
        model: A model, its file, or the name of one that ships; None: the default one.
        rounds: Number of times that all images are registered to the template and averaged.
        spacing: Voxel size of the template in mm; None: the median of the images'.
        refine: Iterations of LDDMM matching of each image that start from the prediction.
        device: Device that registers: "auto", "cpu", "cuda" or "cuda:N".
    """

    model: Model | str | os.PathLike[str] | None = field(default=None, metadata=MODEL)
    _: KW_ONLY
    rounds: int = field(
        default=4,
        metadata=shown(
            "Number of times that all images are registered and averaged.", minimum=1, maximum=100
        ),
    )
    spacing: float | None = field(
        default=None,
        metadata=shown(
            "Voxel size of the template in mm; the images' median by default.",
            float | None,
            minimum=0.1,
            maximum=100.0,
        ),
    )
    refine: int = field(default=0, metadata=REFINE)
    device: str | torch.device = field(default="auto", metadata=DEVICE)

    def __post_init__(self) -> None:
        check_ranges(self)
