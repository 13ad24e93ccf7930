"""Makes the harness importable wherever pytest starts, and shares the small registration."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))

from tests.quicksilver.conftest import brains, helpful_model, model, model_file, registration

__all__ = ["brains", "helpful_model", "model", "model_file", "registration"]
