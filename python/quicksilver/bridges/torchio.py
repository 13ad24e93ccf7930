"""Registration as a transform of TorchIO."""

from __future__ import annotations

from typing import Any

import numpy as np
import torchio
from torchio.transforms import SpatialTransform

from quicksilver.api import run_register
from quicksilver.bridges.channels import take_volume, warp_channels
from quicksilver.errors import QuicksilverError
from quicksilver.io.images import ImageLike
from quicksilver.registration.options import Options


class Register(SpatialTransform):
    """Bring all images of a subject to a target, by the map that registers one of them.

    Scalar images are interpolated linearly and label maps by nearest neighbour, once, on the
    target's grid.

    Args:
        target: A `torchio.Image` of one channel, or an image of any kind that
            `quicksilver.register` takes.
        image: Name of the subject's image that is registered to the target; it has one channel.
        options: Options of the registration; None: the defaults.
        **kwargs: Those of every transform of TorchIO, such as `include` and `exclude`, which choose
            the images that are moved.

    Raises:
        QuicksilverError: Of a call: the subject has no image of this name, or it cannot be
            registered.

    Example:
        >>> to_template = Register("template.nii.gz", "t1", Options(refine=10))
        >>> to_template(subject)  # doctest: +SKIP
    """

    def __init__(
        self, target: ImageLike, image: str, options: Options | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.target, self.image, self.options = target, image, options
        self.args_names = ["target", "image", "options"]

    def apply_transform(self, subject: torchio.Subject) -> torchio.Subject:
        """Move the images of a subject (in place; calls copy it first)."""
        names = subject.get_images_names()
        if self.image not in names:
            raise QuicksilverError(
                f"expected an image '{self.image}' in the subject, found {', '.join(names)}; name "
                "one of these"
            )
        moving = _to_pair(subject[self.image], f"'{self.image}'")
        target = self.target
        if isinstance(target, torchio.Image):
            target = _to_pair(target, "the target")
        with np.errstate(all="warn"):  # TorchIO makes errors of what is handled here
            found = run_register(moving, target, self.options or Options())
            for image in self.get_images(subject):
                labels = isinstance(image, torchio.LabelMap)
                image.set_data(warp_channels(found, image.data, image.affine, labels))
                image.affine = found.displacement.grid.affine
        return subject


def _to_pair(image: torchio.Image, name: str) -> tuple[Any, Any]:
    return take_volume(image.data, name), image.affine
