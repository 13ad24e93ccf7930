"""Write the card of a model: what it is, what it was made from, how well it does."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import yaml

from quicksilver.io.files import replacing
from quicksilver.networks.model import ModelConfig
from quicksilver_ext import __version__


def find_commit() -> str:
    """Return the commit of the checkout that this package lies in, or its version."""
    here = str(Path(__file__).parent)
    try:
        command = ["git", "-C", here, "rev-parse", "--short", "HEAD"]
        found = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return __version__
    return found.stdout.strip()


def write_card(config: ModelConfig, name: str, path: str | Path) -> None:
    """Write the card of a model as Markdown."""
    metric = ", ".join(f"{key} {value}" for key, value in config.metric.items())
    rows = {
        "architecture": f"{config.architecture}, {config.features} features"
        + (f", dropout {config.dropout_rate:g}" if config.dropout else ""),
        "grid": f"{config.spacing:g} mm",
        "metric (voxels)": metric,
        "integrator": f"`{config.method}`, {config.steps} steps",
        "intensities": config.intensity,
        "training data": config.training_data or "not stated",
        "licence": config.licence or "not stated",
        "code": config.commit or "not stated",
        "validation, held-out subjects": f"`{json.dumps(config.results)}`",
    }
    lines = [f"# {name}", "", "| | |", "|---|---|"]
    lines += [f"| {key} | {value} |" for key, value in rows.items()]
    lines += [
        "",
        "## Recipe",
        "",
        "```yaml",
        yaml.safe_dump(config.settings, sort_keys=False) + "```",
    ]
    with replacing(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
