"""Model files: ours and the published layout."""

from __future__ import annotations

from quicksilver.networks.model import ModelConfig


def test_the_metric_of_a_model_is_the_one_in_its_file():
    config = ModelConfig(2, metric={"alpha": 0.1, "beta": 0.2, "gamma": 0.3, "power": 2})
    metric = config.fluid_metric()
    assert (metric.alpha, metric.beta, metric.gamma, metric.power) == (0.1, 0.2, 0.3, 2)
    assert metric.pad == 4  # 3.5 decay lengths sqrt(0.3 / 0.3)
