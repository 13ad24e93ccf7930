"""The accuracy table on a folder of phantoms, with a stub in the place of ANTs."""

from __future__ import annotations

import dataclasses
import gzip
import json
import sys
import tempfile
import types
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import accuracy
from benchmarks.registration import methods
from benchmarks.reporting import table
from quicksilver.images.image import Image
from quicksilver.io.fields import read_field, write_field
from quicksilver.io.images import read_image
from quicksilver.registration import optimise
from quicksilver.registration.fit_options import FitOptions
from quicksilver.transforms.field import WorldField
from tests.quicksilver.phantoms import make_brain, write_nifti

SHIFT = 2  # voxels along the first axis, by the stub of ANTs


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Brains a and c, and b, which is a moved by SHIFT."""
    place = tmp_path_factory.mktemp("aligned")
    first, other = make_brain(1).data, make_brain(2).data
    for name, data in (("a", first), ("b", np.roll(first, SHIFT, axis=0)), ("c", other)):
        labels = np.where(data > 0, 1 + (data > 100).astype(np.uint8), 0).astype(np.uint8)
        write_nifti(place / f"{name}_t1.nii.gz", Image(data, np.eye(4)))
        write_nifti(place / f"{name}_lab.nii.gz", Image(labels, np.eye(4)))
    return place


@pytest.fixture
def ants(monkeypatch, tmp_path) -> types.SimpleNamespace:
    """A registration program that always finds a shift, and counts how often it is asked."""
    stub = types.SimpleNamespace(image_read=read_image, calls=0)

    def register(fixed: Image, moving: Image, type_of_transform: str) -> dict[str, list[str]]:
        assert type_of_transform == "SyNOnly"
        stub.calls += 1
        place = Path(tempfile.mkdtemp(dir=tmp_path))
        vectors = torch.zeros(1, 3, *fixed.data.shape)
        vectors[:, 0] = -SHIFT
        write_field(place / "1Warp.nii.gz", WorldField(vectors, fixed.grid))
        write_field(place / "1InverseWarp.nii.gz", WorldField(-vectors, moving.grid))
        (place / "0GenericAffine.mat").write_text("the identity")
        there, back, affine = (
            str(place / name)
            for name in ("1Warp.nii.gz", "1InverseWarp.nii.gz", "0GenericAffine.mat")
        )
        return {"fwdtransforms": [there, affine], "invtransforms": [affine, back]}

    stub.registration = register
    version = metadata.version
    monkeypatch.setitem(sys.modules, "ants", stub)
    monkeypatch.setattr(
        metadata, "version", lambda name: "0.0" if name == "antspyx" else version(name)
    )
    return stub


@pytest.fixture
def run(monkeypatch, folder, model_file, tmp_path):
    """Run the command; returns the Markdown and the records."""
    short = FitOptions(iterations=(1, 1), steps=2, device="cpu")
    quick = optimise.optimise

    def optimise_shortly(moving, target, options):
        return quick(moving, target, short)

    monkeypatch.setattr(optimise, "optimise", optimise_shortly)
    monkeypatch.setattr(methods, "source_version", lambda: "quicksilver of a test")
    threads = torch.get_num_threads()

    def command(*words: object) -> tuple[str, list[dict]]:
        output = tmp_path / "results.md"
        options = ("-o", output, "--model", model_file, "--threads", threads)
        monkeypatch.setattr(sys, "argv", ["accuracy", *map(str, (folder, *words, *options))])
        accuracy.main()
        return output.read_text(), json.loads((tmp_path / "results.json").read_text())

    return command


def overlap_of(warped: np.ndarray, target: np.ndarray) -> float:
    return float(
        np.mean([((warped == k) & (target == k)).sum() / (target == k).sum() for k in (1, 2)])
    )


def test_every_method_in_one_table(run, folder, ants):
    text, records = run("a:b", "--methods", "affine,prediction,correction,lddmm,syn")
    by = {record["method"]: record for record in records}
    names = ["affine alignment", "prediction", "prediction + correction", "LDDMM fit", "ANTs SyN"]
    assert list(by) == names
    moving, target = (read_image(folder / f"{n}_lab.nii.gz", labels=True).data for n in "ab")
    assert np.isclose(by["affine alignment"]["overlap"], overlap_of(moving, target))
    assert by["ANTs SyN"]["overlap"] == 1
    assert by["ANTs SyN"]["inverse_consistency_voxels"] < 1e-6
    assert by["LDDMM fit"]["overlap"] != by["affine alignment"]["overlap"]
    assert by["prediction"]["overlap"] != by["prediction + correction"]["overlap"]
    assert all(by[name]["seconds"] > 0 for name in names[1:])
    assert by["prediction"]["details"]["correction"] is False
    for name in names:
        assert f"| a:b | {name} | {by[name]['overlap']:.4f} |" in text
        assert f"| {name} | {by[name]['overlap']:.4f} |" in text, "the mean over one pair"


def test_ants_itself_carries_labels_as_its_field_does_here(folder):
    ants = pytest.importorskip("ants")
    a, b = (methods.Subject(folder, name) for name in "ab")
    fixed, moving, labels = (ants.image_read(str(f)) for f in (b.files[0], *a.files))
    options = {"type_of_transform": "SyNOnly", "reg_iterations": (10, 10, 10)}
    found = ants.registration(fixed, moving, **options)
    options = {"transformlist": found["fwdtransforms"], "interpolator": "nearestNeighbor"}
    theirs = ants.apply_transforms(fixed, labels, **options).numpy()
    ours = read_field(found["fwdtransforms"][0]).warp(a.labels, "nearest").data
    assert (theirs != a.labels.data).mean() > 0.01, "nothing moves in this test"
    assert (ours != theirs).mean() < 1e-4, "but for ties between two voxels"


def test_folds_and_volumes_are_those_of_the_grid_that_computes(registration, folder):
    quality = dataclasses.replace(registration.quality, folded_voxels=3, folded_volume_voxels=1.5)
    seconds = {"predict": 4.0, "shoot": 2.0, "judge": 1.0}
    folded = dataclasses.replace(registration, quality=quality, seconds=seconds)
    a, b = (methods.Subject(folder, name) for name in "ab")
    found = methods._register(lambda moving, target: folded, a, b)
    numbers = found.folded_voxels, found.folded_volume_mm3, found.seconds
    assert numbers == (3, 1.5 * 2**3, 6.0), "voxels of 2 mm; judging is no part of computing"
    x, y, z = b.image.data.shape
    vectors = torch.zeros(1, 3, x, y, z)
    vectors[0, 0, 20, 20, 20] = 2.5
    folding = WorldField(vectors, b.image.grid)
    assert methods._measure(folding, folding, b.image, 1.0).folded_voxels > 0


def test_what_is_known_is_not_computed_again(run, ants, tmp_path, folder):
    words = ("a:b", "b:a", "--methods", "affine,syn")
    first, _ = run(*words)
    assert ants.calls == 2
    assert run(*words)[0] == first
    assert ants.calls == 2
    assert len(run(*words, "--again")[1]) == 4
    assert ants.calls == 4
    run("a:b", "a:c", "--methods", "syn")
    assert ants.calls == 5
    labels = read_image(folder / "c_lab.nii.gz", labels=True)
    write_nifti(folder / "c_lab.nii.gz", Image(labels.data[::-1].copy(), labels.affine))
    run("a:c", "--methods", "syn")
    assert ants.calls == 6, "other labels, another result"


def test_another_compression_is_no_other_content(tmp_path):
    for level in (1, 9):
        (tmp_path / f"{level}.nii.gz").write_bytes(gzip.compress(bytes(range(256)) * 9, level))
    one, nine = (tmp_path / f"{level}.nii.gz" for level in (1, 9))
    assert one.read_bytes() != nine.read_bytes()
    assert methods.digest(one) == methods.digest(nine)


def test_results_of_uncommitted_sources_are_computed_again(tmp_path):
    store = accuracy.Store(tmp_path / "results.json")
    for version, known in (("commit 1", True), ("commit 1-dirty", False)):
        key = {"moving": "a", "version": version}
        store.add(key, {"overlap": 0.5})
        found = accuracy.Store(tmp_path / "results.json").find(key)
        assert (found is not None) == known


def test_a_missing_program_is_listed(run, monkeypatch):
    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    text, records = run("a:b", "--methods", "affine,syn")
    assert [record["method"] for record in records] == ["affine alignment"]
    assert "| ANTs SyN | missing: pip install 'quicksilver-registration[benchmark]' |" in text


def test_other_sections_of_the_document_stay(run, tmp_path):
    document = "# Results\n\nWords.\n\n## Accuracy\n\nolder\n\n## Speed\n\nfast {x}\n"
    (tmp_path / "results.md").write_text(document)
    text, _ = run("a:b", "--methods", "affine")
    assert text.startswith("# Results\n\nWords.\n\n## Accuracy\n")
    assert "older" not in text
    assert text.endswith("\n## Speed\n\nfast {x}\n")
    assert text.count("## Accuracy") == 1
    assert run("a:b", "--methods", "affine")[0] == text


def test_the_aims():
    def means(overlap, seconds=1.0, volume=0.0, undone=0.01):
        return {
            "overlap": overlap,
            "seconds": seconds,
            "folded_volume_mm3": volume,
            "inverse_consistency_voxels": undone,
        }

    found = {
        "affine": means(0.40),
        "prediction": means(0.50, volume=2.0),
        "correction": means(0.56, 5.0),
        "refine": means(0.60, undone=0.2),
        "lddmm": means(0.60, 90.0),
        "syn": means(0.58, 20.0),
    }
    by = {aim.what: aim for aim in table.aims(found, 2.0)}
    values = [aim.value for aim in by.values()][:6]
    assert np.allclose(values, [0.02, 80, 60, 0.25, 100, 0.02])
    met = [aim.cells()[-1] for aim in by.values()][:6]
    assert met == ["met", "not met", "met", "not met", "met", "met"]
    assert by["prediction: non-diffeomorphic volume (mm3)"].cells()[-1] == "not met"
    assert by["lddmm: non-diffeomorphic volume (mm3)"].cells()[-1] == "met"
    assert by["refine: median inverse consistency (voxels)"].cells()[-1] == "not met"
    assert [aim.limit for aim in table.aims(found, 1.0)][3] == 1.5
    found |= {"quicksilver-2017-prediction": means(0.50), "quicksilver-2017": means(0.54)}
    paper = [aim for aim in table.aims(found, 2.0) if aim.what.startswith("quicksilver-2017")][:3]
    assert np.allclose([aim.value for aim in paper], [50, 70, 40])
    assert [aim.cells()[-1] for aim in paper] == ["not met"] * 3
    del found["lddmm"]
    assert table.aims(found, 2.0)[1].cells() == [
        "correction: % of the LDDMM gain over affine",
        ">= 85",
        "not measured",
        "",
    ]


def test_aims_are_judged_on_the_pairs_that_every_method_has():
    record = dict.fromkeys(table.COLUMNS, 0.5) | {
        "moving": "a", "target": "b", "method": "m", "version": "v", "date": "2026-01-01",
        "processor": "p", "cores": 2, "load_average": 1.0, "settings": {}, "details": {},
    }  # fmt: skip
    other = {**record, "target": "c", "overlap": 0.9}
    text = table.section({"syn": [record, other], "lddmm": [{**record, "overlap": 0.6}]}, 2, {})
    assert "m (1 of 2 pairs)" in text
    assert "over the 1 pairs that every method has" in text
    assert "| LDDMM: overlap above SyN | >= 0.01 | 0.1 | met |" in text


def test_the_pairs_of_the_issue_and_others():
    listed = accuracy.read_pairs([])
    assert len(listed) == len(set(listed)) == 15
    assert listed[0] == ("m12_1000", "m12_1001")
    assert accuracy.read_pairs(["x:y", "y:z"]) == [("x", "y"), ("y", "z")]


def test_only_what_is_absent_is_aligned(folder, tmp_path):
    script = "import sys; open(__file__ + '.asked', 'w').write(' '.join(sys.argv[1:]))"
    (tmp_path / "align.py").write_text(script)
    asked = tmp_path / "align.py.asked"
    accuracy.align(tmp_path, folder, [("a", "d"), ("b", "e")])
    assert asked.read_text() == f"{folder} mni1 d e"
    asked.unlink()
    accuracy.align(tmp_path, folder, [("a", "b")])
    assert not asked.exists()
