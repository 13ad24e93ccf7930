"""Pictures on white paper, or in bright-field light, whose background is bright and not 0."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from quicksilver.images.image import Image

EVEN = 0.1
"""Largest part of a picture's range by which its paper varies."""

SHARE = 0.5
"""Least part of the picture's edge that shows paper."""


def invert_bright_background(image: Image) -> Image:
    """Return a slice with what lies on white paper inverted, so that the paper is 0; others as they
    are.

    Example:
        >>> drawing = np.full((9, 9, 1), 250, np.float32)
        >>> drawing[3:6, 3:6] = 100
        >>> inverted = invert_bright_background(Image(drawing, np.eye(4)))
        >>> inverted.data[4, 4, 0], inverted.data[0, 0, 0], inverted.white
        (np.float32(150.0), np.float32(0.0), 250.0)
    """
    data = image.data
    edge = np.concatenate([data[0], data[-1], data[:, 0], data[:, -1]]).ravel()
    low, white, high = float(data.min()), float(np.median(edge)), float(data.max())
    even = np.mean(np.abs(edge - white) <= EVEN * (high - low))
    if white <= (low + high) / 2 or even < SHARE:
        return image
    paper = np.abs(data - white) <= EVEN * (high - low)
    inverted = np.where(paper, 0, np.maximum(white - data, 0)).astype(np.float32)
    return replace(image, data=inverted, white=white)
