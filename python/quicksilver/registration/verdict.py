"""The verdict on a registration: good, doubtful or failed, with its reasons."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from quicksilver.errors import QuicksilverError
from quicksilver.io.files import RESULT
from quicksilver.io.records import Record
from quicksilver.io.results import read_summary
from quicksilver.lddmm.unfolding import SMOOTHED
from quicksilver.registration.alignment import ALIKE, ALIKE_IN_PART
from quicksilver.registration.pair import Placement
from quicksilver.registration.quality import Energies, Quality

Level = Literal["good", "doubtful", "failed"]
LEVELS: tuple[Level, ...] = ("good", "doubtful", "failed")

SCALE = 1.3, 2.0
"""Stretch of the affine along an axis that is doubtful, and that no two brains need."""

UNLIKE = 0.7
"""Similarity of aligned images below which they do not show the same thing."""

MIRRORED = 0.005
"""Gain in similarity from mirroring one brain that makes left and right doubtful."""

COVERAGE = 0.9
"""Part of the target's brain that the moving image shows below which a match is doubtful."""

CORRELATION = 0.6, 0.0
"""Correlation of intensities below which a match is doubtful, and below which it has failed."""

BRAIN_OVERLAP = 0.9, 0.7
"""Dice of the brains below which a match is doubtful, and below which it has failed."""


@dataclass(frozen=True)
class Verdict(Record):
    """Whether a registration can be used as it is.

    Args:
        level: "good", "doubtful" (look at it first) or "failed" (do not use it).
        reasons: Sentences; none where it is good.
    """

    level: Level
    reasons: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Verdict:
        """Read what `to_json` wrote."""
        return cls(content["level"], tuple(content["reasons"]))

    @classmethod
    def load(cls, folder: Path) -> Verdict:
        """Read the verdict on the registration that lies in a folder.

        Raises:
            QuicksilverError: There is none.
        """
        content: Any = read_summary(folder).get("verdict")
        reasons = content.get("reasons") if isinstance(content, dict) else None
        whole = isinstance(reasons, list) and all(isinstance(reason, str) for reason in reasons)
        if not whole or content.get("level") not in LEVELS:
            raise QuicksilverError(
                f"expected a verdict on a registration in {folder / RESULT}, found none; remove "
                "the file, and run again"
            )
        return cls.from_json(content)


def reach_verdict(placement: Placement, energies: Energies, quality: Quality) -> Verdict:
    """Judge a registration by how it was aligned, what became of its energy, and its regularity."""
    findings = [
        *_judge_placement(placement),
        *_judge_match(energies, quality),
        *_judge_maps(quality),
    ]
    if not findings:
        return Verdict("good")
    failed = any(level == "failed" for level, _ in findings)
    return Verdict("failed" if failed else "doubtful", tuple(reason for _, reason in findings))


def _judge_placement(placement: Placement) -> list[tuple[Level, str]]:
    findings: list[tuple[Level, str]] = []
    scales = np.linalg.svd(placement.affine[:3, :3], compute_uv=False)
    strangest = float(max(scales[0], 1 / scales[-1]))
    if strangest > SCALE[0]:
        level: Level = "failed" if strangest > SCALE[1] else "doubtful"
        findings.append((level, f"the affine stretches or shrinks by a factor of {strangest:.2f}"))
    if np.linalg.det(placement.affine[:3, :3]) < 0:
        findings.append(("doubtful", "the affine exchanges left and right"))
    if placement.mirror_gain is not None and placement.mirror_gain > MIRRORED:
        findings.append(("doubtful", "mirrored, the images are more alike: check left and right"))
    similarity = placement.affine_similarity
    if similarity is not None and similarity < (ALIKE_IN_PART if placement.in_part else ALIKE):
        level = "failed" if similarity < UNLIKE else "doubtful"
        findings.append((level, f"the aligned images are unlike (similarity {similarity:.2f})"))
    return findings


def _judge_match(energies: Energies, quality: Quality) -> list[tuple[Level, str]]:
    findings: list[tuple[Level, str]] = []
    if energies.mismatch_after > energies.mismatch_before:
        findings.append(("doubtful", "the images differ more than before"))
    if energies.lddmm_after > energies.lddmm_before:
        findings.append(("doubtful", "the energy is worse than the affine's"))
    for value, (doubtful, failed), name in (
        (quality.correlation, CORRELATION, "the intensities correlate by only"),
        (quality.brain_overlap, BRAIN_OVERLAP, "the brains overlap by only"),
    ):
        if value < doubtful:
            findings.append(("failed" if value < failed else "doubtful", f"{name} {value:.2f}"))
    if quality.coverage < COVERAGE:
        shown = f"the moving image shows only {100 * quality.coverage:.0f} % of the target's brain"
        findings.append(("doubtful", shown))
    return findings


def _judge_maps(quality: Quality) -> list[tuple[Level, str]]:
    findings: list[tuple[Level, str]] = []
    if quality.folded_voxels > 0:
        findings.append(("failed", f"{quality.folded_voxels} voxels fold"))
    if quality.damping_rounds > SMOOTHED:
        rounds = f"folds were mended in {quality.damping_rounds} rounds"
        findings.append(("doubtful", rounds))
    return findings
