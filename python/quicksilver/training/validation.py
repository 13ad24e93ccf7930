"""Validate networks and models on held-out subjects, in the frame of the training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

import quicksilver_ext as qs
from quicksilver.networks.base import MomentumNetwork
from quicksilver.networks.inference import infer_momenta
from quicksilver.networks.model import Model, ModelConfig
from quicksilver.registration.evaluation import measure_overlap
from quicksilver.training.dataset import Volumes
from quicksilver.training.painting import draw_palette, paint
from quicksilver.training.recipe import Recipe
from quicksilver.transforms.folds import count_folds


class Validation:
    """Registers fixed pairs of subjects, each with the next by name, and judges the maps.

    The score is the mean overlap of labels where there are label maps; else how much smaller the
    squared difference of the images became.
    """

    def __init__(
        self, subjects: Volumes, recipe: Recipe, config: ModelConfig, device: torch.device
    ) -> None:
        self.subjects, self.config, self.device = subjects, config, device
        count = min(recipe.data.validation_pairs, len(subjects))
        self.pairs = [(k, (k + 1) % len(subjects)) for k in range(count)]
        self.seed = recipe.seed

    def judge_network(self, network: MomentumNetwork, first: Model | None = None) -> dict[str, Any]:
        """Judge one network: the prediction's, or the correction's after `first`."""
        if first is None:
            return self.judge_model(Model(self.config, network))
        return self.judge_model(replace(first, correction=network))

    def judge_model(self, model: Model) -> dict[str, Any]:
        """Average measures over the pairs.

        Returns:
            `score`, `overlap` (with labels) and `mismatch` relative to that before, of the maps as
            a registration ends with them; `folded_voxels` (the largest) and `smallest_determinant`
            of the maps before the guard (`quicksilver.lddmm.unfolding`).
        """
        rows = [self.judge_pair(model, *pair) for pair in self.pairs]
        mismatch = sum(row["mismatch"] for row in rows) / len(rows)
        record = {
            "mismatch": round(mismatch, 4),
            "folded_voxels": max(row["folds"] for row in rows),
            "smallest_determinant": round(min(row["determinant"] for row in rows), 3),
        }
        if self.subjects.labels is None:
            return {"score": round(1 - mismatch, 4), **record}
        overlap, before = (sum(row[k] for row in rows) / len(rows) for k in ("overlap", "before"))
        return {
            "score": round(overlap, 4),
            "overlap": round(overlap, 4),
            "overlap_before": round(before, 4),
            **record,
        }

    @torch.no_grad()
    def judge_pair(self, model: Model, one: int, other: int) -> dict[str, float]:
        """Measure the map that a model finds from one subject to another, by their indices."""
        moving, target = self._images(one, other)
        momentum = infer_momenta(model, moving, target)[-1]
        psi, raw = self.config.shoot_unfolded(momentum).psi, self.config.shoot(momentum)[0]
        row = {
            "mismatch": _square(qs.warp(moving, psi) - target) / _square(moving - target),
            "folds": count_folds(raw).voxels,
            "determinant": qs.jacobian_determinant(raw).min().item(),
        }
        labels = self.subjects.labels
        if labels is None:
            return row
        ours, theirs = labels[one : one + 1], labels[other : other + 1]
        warped = qs.warp(ours.to(psi.device), psi, mode="nearest", padding_mode="zeros")
        after, before = (
            measure_overlap(values.cpu().numpy(), theirs.numpy()) for values in (warped, ours)
        )
        return {**row, "overlap": after, "before": before}

    def _images(self, one: int, other: int) -> tuple[Tensor, Tensor]:
        if self.subjects.images is not None:
            return self.subjects.image(one).to(self.device), self.subjects.image(other).to(
                self.device
            )
        assert self.subjects.labels is not None
        generator = torch.Generator().manual_seed(self.seed)
        palette = draw_palette(generator)
        maps = (self.subjects.labels[k : k + 1] for k in (one, other))
        moving, target = (paint(labels, palette, generator).to(self.device) for labels in maps)
        return moving, target


def _square(difference: Tensor) -> float:
    return difference.square().sum(dtype=torch.float64).item()
