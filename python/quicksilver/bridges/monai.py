"""Registration as a dictionary transform of MONAI.

`Warp` is `quicksilver_ext.Warp`, which takes the place of `monai.networks.blocks.Warp`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import MapTransform

from quicksilver.api import run_register
from quicksilver.bridges.channels import take_volume, warp_channels
from quicksilver.errors import QuicksilverError
from quicksilver.registration.options import Options
from quicksilver_ext import Warp as Warp


class Registerd(MapTransform):
    """Register one image of a dictionary to another, and warp it and its labels.

    The moving image and the labels are replaced by warped ones on the target's grid, with the
    target's affine, each on the device where it was. The images are MetaTensors (1, X, Y, Z) whose
    affines lead to RAS millimetres, as LoadImaged with ensure_channel_first gives them.

    Args:
        keys: Names of the moving image and of the target.
        label_keys: Names of integer label maps (C, X, Y, Z) of the moving space, which nearest
            neighbour keeps.
        displacement_key: Name for the whole map, affine included: (3, X, Y, Z) in voxels of the
            target's grid, as `Warp` takes it for images on that grid.
        options: Options of the registration; None: the defaults.

    Raises:
        QuicksilverError: Of a call: an image is missing, no MetaTensor, or cannot be registered.

    Example:
        >>> from monai.transforms import Compose, LoadImaged
        >>> load = LoadImaged(("moving", "target"), ensure_channel_first=True)
        >>> prepare = Compose([load, Registerd(options=Options(refine=10))])
        >>> prepare({"moving": "moving.nii.gz", "target": "target.nii.gz"})  # doctest: +SKIP
    """

    def __init__(
        self,
        keys: Sequence[Hashable] = ("moving", "target"),
        label_keys: Sequence[Hashable] = (),
        displacement_key: Hashable = "displacement",
        options: Options | None = None,
    ) -> None:
        super().__init__(keys)
        if len(self.keys) != 2:
            raise QuicksilverError(
                f"expected two keys, of the moving image and the target, found {self.keys}; "
                "name both"
            )
        self.label_keys = (label_keys,) if isinstance(label_keys, str) else tuple(label_keys)
        self.displacement_key = displacement_key
        self.options = options or Options()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        moving, target = (_take(data, key) for key in self.keys)
        labels = {key: _take(data, key) for key in self.label_keys}
        first, second = (
            (take_volume(image, f"'{key}'"), image.affine)
            for key, image in zip(self.keys, (moving, target), strict=True)
        )
        found = run_register(first, second, self.options)
        field = found.displacement
        result = dict(data)
        for key, image in {self.keys[0]: moving, **labels}.items():
            warped = warp_channels(found, image.as_tensor(), image.affine, key in labels)
            result[key] = _place(warped, field.grid.affine, image)
        result[self.displacement_key] = _place(field.in_voxels()[0], field.grid.affine, target)
        return result


def _take(data: Mapping[Hashable, Any], key: Hashable) -> MetaTensor:
    image = data.get(key)
    if not isinstance(image, MetaTensor):
        kind = type(image).__name__ if key in data else f"only {', '.join(map(str, data))}"
        raise QuicksilverError(
            f"expected a MetaTensor in '{key}', found {kind}; load it with LoadImaged"
        )
    return image


def _place(values: torch.Tensor, affine: Any, like: MetaTensor) -> MetaTensor:
    """Give values a place in the world, and the device and names of another image."""
    meta = {key: value for key, value in like.meta.items() if key != "affine"}
    meta["spatial_shape"] = list(values.shape[1:])
    place = torch.as_tensor(affine, dtype=torch.float64)
    return MetaTensor(values.to(like.device), affine=place, meta=meta)
