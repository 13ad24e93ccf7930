"""The teacher's fits, and where they start."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

import quicksilver_ext as qs
from quicksilver.lddmm.fits import load_pair, pair_files
from quicksilver.networks.files import save_model
from quicksilver.training.settings import Fits
from quicksilver.training.teacher import fit_pairs
from tests.quicksilver.training_data import people


def test_fits_that_start_from_a_model_are_ahead(helpful_model, tmp_path):
    save_model(helpful_model, tmp_path / "model.safetensors")
    short = {"pairs": 2, "levels": [1], "iterations": [1], "steps": 4}
    first = {}
    for name, start in (("zero", None), ("model", str(tmp_path / "model.safetensors"))):
        folder = fit_pairs(
            people(3), Fits(**short, start=start), qs.FluidMetric(), tmp_path / name, 0
        )
        first[name] = [load_pair(file).about["energies"][0][0] for file in pair_files(folder)]
    assert len(first["zero"]) == 2
    assert all(ahead < energy for ahead, energy in zip(first["model"], first["zero"], strict=True))


def test_the_original_s_fit_starts_from_zero():
    with pytest.raises(ValidationError, match="leave start out"):
        Fits(pairs=1, method="quicksilver", start="default-2mm")
