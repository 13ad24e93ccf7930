"""The options of labelling by atlases. Nothing heavy is imported: the command line reads this."""

from __future__ import annotations

import os
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from quicksilver.errors import QuicksilverError
from quicksilver.registration.option_fields import DEVICE, MODEL, REFINE, check_ranges, shown

if TYPE_CHECKING:
    import torch

    from quicksilver.networks.model import Model


@dataclass(frozen=True)
class LabelOptions:
    """How an image is labelled by atlases.

    Args:
        model: A model, its file, or the name of one that ships; None: the default one.
        fusion: "joint" weights (`quicksilver.labelling.fusion`), or "majority", where a tie goes to
            the atlas that is named first.
        mask: A file that is zero where the image is background.
        strip: Whether the skull is stripped first from the image, if it has no mask, and from each
            atlas, if it is no bare brain.
        refine: Iterations of LDDMM matching of each atlas that start from the prediction.
        device: Device that registers: "auto", "cpu", "cuda" or "cuda:N".
    """

    model: Model | str | os.PathLike[str] | None = field(default=None, metadata=MODEL)
    _: KW_ONLY
    fusion: Literal["joint", "majority"] = field(
        default="joint",
        metadata=shown(
            "joint: atlases count where they look like the image; majority: all alike.",
            Literal["joint", "majority"],
        ),
    )
    mask: str | os.PathLike[str] | None = field(
        default=None,
        metadata=shown("Image that is zero where the image is background.", Path | None),
    )
    strip: bool = field(
        default=False,
        metadata=shown("Strip the skull of whole heads (needs deepbet).", flags="--strip"),
    )
    refine: int = field(default=0, metadata=REFINE)
    device: str | torch.device = field(default="auto", metadata=DEVICE)

    def __post_init__(self) -> None:
        check_ranges(self)
        if self.fusion not in ("joint", "majority"):
            raise QuicksilverError(
                f"expected fusion to be joint or majority, found {self.fusion!r}; choose one"
            )
