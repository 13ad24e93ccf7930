"""The commands of the manual's pages run as they are written there."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from quicksilver.images.image import Image
from quicksilver.io.affines import write_affine
from quicksilver.io.exports import MapFormat, write_map
from quicksilver.io.fields import write_field
from quicksilver.io.images import read_image
from quicksilver.io.results import load_registration
from quicksilver.results.folder import save_registration
from tests.quicksilver.atlases import write_atlases
from tests.quicksilver.heads import make_head, template_brain
from tests.quicksilver.phantoms import make_affine, write_nifti

DOCS = Path(__file__).resolve().parents[2] / "docs"


def blocks(page: str, language: str = "") -> list[str]:
    """The fenced blocks of a page that are marked as of a language, or not marked."""
    found = re.findall(
        r"^```(\w*)\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL
    )
    return [text for mark, text in found if mark == language]


@pytest.fixture(scope="module")
def folder(registration, brains, tmp_path_factory) -> Path:
    """A folder with every file that the pages name."""
    folder = tmp_path_factory.mktemp("docs")
    save_registration(registration, folder / "OUT")
    saved = load_registration(folder / "OUT")
    write_field(folder / "warp.nii.gz", saved.displacement)
    write_field(folder / "inverse_warp.nii.gz", saved.inverse)
    write_affine(folder / "affine.mat", make_affine((1, 2, 3), (1, 1, 1), origin=(1, 2, 3)))
    write_map(folder / "fsl_warp.nii.gz", saved.displacement, MapFormat.FSL, brains[0].grid)
    write_map(folder / "flow.nii.gz", saved.displacement, MapFormat.VOXELMORPH)
    np.savetxt(folder / "flirt.mat", np.eye(4))
    domain = sitk.ReadImage(str(folder / "OUT" / "warped.nii.gz"))
    spline = sitk.BSplineTransformInitializer(domain, [4, 4, 4])
    sitk.WriteTransform(spline, str(folder / "bspline.tfm"))
    write_nifti(folder / "moving_on_target.nii.gz", brains[1])
    for name, image in zip(("moving", "target"), brains, strict=True):
        write_nifti(folder / f"{name}.nii.gz", image)
        labels = Image((image.data > 100).astype(np.uint8), image.affine)
        write_nifti(folder / f"{name}_labels.nii.gz", labels)
        write_points(folder, name, image)
    write_nifti(folder / "other.nii.gz", brains[0])
    coarse = Image(brains[1].data[::2, ::2, ::2], brains[1].affine @ np.diag([2, 2, 2, 1.0]))
    write_nifti(folder / "coarse_target.nii.gz", coarse)
    (folder / "pairs.csv").write_text("moving,target\nmoving.nii.gz,target.nii.gz\n")
    (folder / "BIDS/sub-01/anat").mkdir(parents=True)
    write_nifti(folder / "BIDS/sub-01/anat/sub-01_desc-brain_T1w.nii.gz", brains[0])
    series = np.stack([brains[0].data] * 2, axis=-1)
    nib.save(nib.Nifti1Image(series, brains[0].affine), folder / "series.nii.gz")
    return folder


def write_points(folder: Path, name: str, image: Image) -> None:
    index = np.array(image.data.shape) * np.random.default_rng(0).uniform(0.3, 0.7, (10, 3))
    points = (index @ image.affine[:3, :3].T + image.affine[:3, 3]).astype(np.float32)
    for suffix, sign in (("", 1), ("_ants", -1)):
        rows = [f"{sign * x},{sign * y},{z}" for x, y, z in points.tolist()]
        (folder / f"{name}_points{suffix}.csv").write_text("\n".join(["x,y,z", *rows]))
    if name == "moving":
        array = nib.gifti.GiftiDataArray(points, "NIFTI_INTENT_POINTSET")
        nib.save(nib.GiftiImage(darrays=[array]), folder / "lh.surf.gii")
        lines = nib.streamlines.Tractogram([points], affine_to_rasmm=np.eye(4))
        nib.streamlines.save(lines, str(folder / "tracts.trk"))


def lines(page: str) -> list[str]:
    return [line for block in blocks(page) for line in block.splitlines()]


APPLIED = [line for line in lines("formats.md") if line.startswith("quicksilver apply ")]


@pytest.mark.parametrize("line", lines("labels.md") + lines("ants.md") + APPLIED)
def test_commands(line, folder, command, monkeypatch):
    monkeypatch.chdir(folder)
    program, *words = shlex.split(line)
    output = folder / words[words.index("-o") + 1]
    code, _, error = command(*words)
    assert program == "quicksilver"
    assert code == 0, error
    assert output.is_file()
    output.unlink()


@pytest.mark.parametrize("line", lines("register.md") + lines("cohort.md"))
def test_registrations(line, folder, command, monkeypatch, tmp_path):
    """The results in another folder: names and contents there are others' to know."""
    monkeypatch.chdir(folder)
    program, *words = shlex.split(line)
    words[words.index("-o") + 1] = str(tmp_path / words[words.index("-o") + 1])
    code, _, error = command(*words)
    assert program == "quicksilver"
    assert code == 0, error
    assert len(list(tmp_path.rglob("result.json"))) == 1


@pytest.mark.usefixtures("deepbet")
@pytest.mark.parametrize("line", lines("raw-heads.md"))
def test_raw_heads(line, command, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    write_nifti(tmp_path / "head.nii.gz", make_head(template_brain()))
    write_nifti(tmp_path / "template.nii.gz", template_brain())
    program, *words = shlex.split(line)
    code, _, error = command(*words)
    assert program == "quicksilver"
    assert code == 0, error
    assert len(list(tmp_path.rglob("*_mask.nii.gz"))) == 1


@pytest.mark.parametrize("line", lines("label.md"))
def test_labelling(line, command, monkeypatch, tmp_path):
    monkeypatch.chdir(write_atlases(tmp_path))
    program, *words = shlex.split(line)
    code, _, error = command(*words)
    assert program == "quicksilver"
    assert code == 0, error
    assert (tmp_path / "OUT/labels.nii.gz").is_file()


def write_group(folder):
    for name, number in (("a", 1), ("b", 2), ("c", 3)):
        shutil.copy(folder / f"atlas{number}.nii.gz", folder / f"{name}.nii.gz")


@pytest.mark.slow
@pytest.mark.parametrize("line", lines("template.md"))
def test_templates(line, command, monkeypatch, tmp_path):
    monkeypatch.chdir(write_atlases(tmp_path))
    write_group(tmp_path)
    _, *words = shlex.split(line)
    code, _, error = command(*words)
    assert code == 0, error
    assert (tmp_path / "OUT/template.nii.gz").is_file()


@pytest.mark.usefixtures("deepbet")
@pytest.mark.parametrize("page", ["label.md", "raw-heads.md", "template.md"])
def test_python(page, monkeypatch, tmp_path):
    monkeypatch.chdir(write_atlases(tmp_path))
    write_nifti(tmp_path / "head.nii.gz", make_head(template_brain()))
    write_nifti(tmp_path / "template.nii.gz", template_brain())
    write_group(tmp_path)
    (block,) = blocks(page, "python")
    exec(block, {})


@pytest.mark.parametrize("package", ["ants", "SimpleITK"])
def test_python_of_other_programs(package, folder, monkeypatch):
    pytest.importorskip(package)
    monkeypatch.chdir(folder)
    (block,) = (text for text in blocks("ants.md", "python") if f"import {package}" in text)
    names: dict[str, object] = {}
    exec(block, names)
    moved = names["moved"]
    if package == "ants":
        theirs = moved.numpy()
    else:
        theirs = names["sitk"].GetArrayFromImage(moved).T
    ours = read_image(folder / "OUT" / "warped.nii.gz").data
    assert np.abs(theirs - ours).max() < 1e-3 * np.ptp(ours)


@pytest.mark.filterwarnings("ignore")  # MONAI's and TorchIO's own, of several packages
@pytest.mark.parametrize(("package", "result"), [("monai", "found"), ("torchio", "moved")])
def test_bridges(package, result, folder, monkeypatch, tmp_path):
    pytest.importorskip(package)
    for name in ("moving", "target", "labels"):
        source = folder / f"{name.replace('labels', 'moving_labels')}.nii.gz"
        (tmp_path / f"{name}.nii.gz").symlink_to(source)
    monkeypatch.chdir(tmp_path)
    (block,) = (text for text in blocks("bridges.md", "python") if f"bridges.{package}" in text)
    names: dict[str, object] = {}
    exec(block, names)
    assert names[result]["labels"].shape[1:] == read_image("target.nii.gz").data.shape


def test_the_pages_have_commands():
    assert len(lines("labels.md")) > 10
    assert len(lines("ants.md")) > 3
