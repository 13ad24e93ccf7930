"""Numbers of result.json in words: for the screen, the report and a cohort's page."""

from __future__ import annotations

from typing import Any

from quicksilver.registration.quality import Energies, Quality
from quicksilver.registration.verdict import Verdict

Rows = list[tuple[str, str]]

LARGEST_RATIO = 10
"""Of squared differences, after over before, from which on percents mean nothing."""

UNWRITTEN = " before writing"
"""What is said of a time that leaves out the writing of files."""


def list_facts(summary: dict[str, Any]) -> list[str]:
    """Return the most important numbers, each in a few words."""
    energies, quality = Energies(**summary["energies"]), Quality.from_json(summary["quality"])
    return [
        _describe_change(energies),
        f"largest displacement {quality.displacement_mm.max:.1f} mm",
        f"folded voxels {quality.folded_voxels}",
        f"sd of log Jacobian {quality.log_jacobian_sd:.3f}",
        *_describe_coverage(quality),
        f"{summary['seconds']['total']:.1f} s"
        + ("" if "write" in summary["seconds"] else UNWRITTEN),
    ]


def _describe_coverage(quality: Quality) -> list[str]:
    """Say what the moving image shows of the target's brain, where that is not all of it."""
    return [f"{100 * quality.coverage:.0f} % of the brain imaged"] if quality.coverage < 1 else []


def make_tables(summary: dict[str, Any]) -> dict[str, Rows]:
    """Return rows of a name and a value, by the title of their table."""
    settings = {**summary["settings"], "versions": summary["versions"]}
    given = {name: summary[name] for name in ("moving", "target", "model") if name in summary}
    return {
        "command": [("", summary["line"])] if "line" in summary else [],
        "verdict": _describe_verdict(summary),
        "quality": _describe_quality(summary),
        "time": _describe_time(summary["seconds"]),
        "settings": [(name, str(value)) for name, value in {**given, **settings}.items()],
    }


def _describe_change(energies: Energies) -> str:
    """Say how the squared difference changed: in percent, as long as that can be grasped."""
    before, after = energies.mismatch_before, energies.mismatch_after
    if energies.mismatch_ratio < LARGEST_RATIO:
        return f"squared difference {100 * (energies.mismatch_ratio - 1):+.0f} %"
    return f"squared difference {before:.3g} before, {after:.3g} after"


def _describe_time(seconds: dict[str, float]) -> Rows:
    """Return the seconds of each stage; of a report, which is itself written, those before."""
    total = "total" if "write" in seconds else "total" + UNWRITTEN
    return [
        (total if name == "total" else name, f"{value:.2f} s") for name, value in seconds.items()
    ]


def _describe_verdict(summary: dict[str, Any]) -> Rows:
    verdict = Verdict.from_json(summary["verdict"])
    return [(verdict.level, reason) for reason in verdict.reasons or ("nothing found against it",)]


def _describe_quality(summary: dict[str, Any]) -> Rows:
    energies, quality = Energies(**summary["energies"]), Quality.from_json(summary["quality"])
    before, after = energies.mismatch_before, energies.mismatch_after
    length, undone = quality.displacement_mm, quality.inverse_consistency_voxels
    rows = [
        ("squared difference, before and after", f"{before:.1f}, {after:.1f}"),
        ("kinetic energy", f"{energies.kinetic:.1f}"),
        ("displacement, mean and largest", f"{length.mean:.2f} mm, {length.max:.2f} mm"),
        ("correlation of intensities", f"{quality.correlation:.3f}"),
        ("overlap of the brains (Dice)", f"{quality.brain_overlap:.3f}"),
        ("folded voxels of the working grid", str(quality.folded_voxels)),
        ("sd of log Jacobian", f"{quality.log_jacobian_sd:.3f}"),
        (
            "inverse consistency, median and largest",
            f"{undone.median:.4f}, {undone.max:.4f} voxels",
        ),
    ]
    rows += [("target's brain in the moving image", text) for text in _describe_coverage(quality)]
    if "overlap" in summary:
        overlap = summary["overlap"]
        values = f"{overlap['before']:.3f}, {overlap['after']:.3f}"
        rows.append(("overlap of labels, before and after", values))
    if quality.deviation_mm is not None:
        deviation = f"{quality.deviation_mm.median:.2f} mm, {quality.deviation_mm.max:.2f} mm"
        rows.append(("standard deviation of the samples, median and largest", deviation))
    rows.append(("peak memory", f"{summary['peak_memory_mb']:.0f} MB"))
    return rows
