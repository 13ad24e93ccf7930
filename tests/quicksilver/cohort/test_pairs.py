"""Lists of pairs."""

from __future__ import annotations

import time

import pytest

from quicksilver.cohort.bids import find_pairs
from quicksilver.cohort.pairs import PairPaths, read_list
from quicksilver.errors import QuicksilverError
from tests.quicksilver.phantoms import make_brain, write_nifti


def listed(folder, text):
    for name in ("a.nii.gz", "b.nii.gz", "m.nii"):
        (folder / name).touch()
    (folder / "pairs.csv").write_text(text)
    return read_list(folder / "pairs.csv")


def test_a_list_of_two_columns(tmp_path):
    pairs = listed(tmp_path, "moving,target\na.nii.gz,b.nii.gz\nb.nii.gz,m.nii\n")
    a, b, m = (tmp_path / name for name in ("a.nii.gz", "b.nii.gz", "m.nii"))
    assert pairs == [PairPaths("a-b", a, b), PairPaths("b-m", b, m)]


def test_a_list_of_all_columns_as_a_spreadsheet_writes_it(tmp_path):
    text = (
        "\ufeffid,target,moving,target_mask,moving_mask,moving_labels,target_labels\r\n"
        "p1,a.nii.gz,b.nii.gz,,m.nii,a.nii.gz,b.nii.gz\r\n"
    )
    a, b, m = (tmp_path / name for name in ("a.nii.gz", "b.nii.gz", "m.nii"))
    assert listed(tmp_path, text) == [PairPaths("p1", b, a, a, b, moving_mask=m)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fixed,moving\na,b\n", "columns moving and target.*found fixed, moving"),
        ("moving,target,moving_masks\n", "no others than .*moving_mask,.* found moving, target"),
        ("", "found none"),
        ("moving,target\na.nii.gz,b.nii.gz\na.nii.gz,c.nii.gz\n", "row 3, column target .*'c.nii"),
        ("moving,target\na.nii.gz,\n", "row 2, column target"),
        ("moving,target\na.nii.gz\n", "row 2, column target"),
        ("moving,target\na.nii.gz,b.nii.gz,m.nii\n", "2 entries in row 2"),
        ("moving,target,moving_mask\na.nii.gz,b.nii.gz,no.nii\n", "row 2, column moving_mask"),
        ("moving,target\n" + 2 * "a.nii.gz,b.nii.gz\n", "row 3, column id .*'a-b' is not"),
        ("id,moving,target\n../x,a.nii.gz,b.nii.gz\n", r"row 2, column id .*'\.\./x'"),
        ("moving,target\na.nii.gz,b.nii.gz\x00\n", "pairs.csv"),
    ],
)
def test_lists_with_mistakes_are_refused(tmp_path, text, message):
    with pytest.raises(QuicksilverError, match=message):
        listed(tmp_path, text)


@pytest.mark.parametrize(
    "name",
    [
        *("index.html", "summary.csv", "failures", "dataset_description.json", "INDEX.HTML"),
        *("a\x1b[31mb", "a\u202eb", "n" * 201, "脑" * 70, ".hidden", "..", "a/b"),
    ],
)
def test_names_that_are_no_folder_of_a_pair_are_refused(tmp_path, name):
    with pytest.raises(QuicksilverError, match="row 2, column id") as caught:
        listed(tmp_path, f"id,moving,target\n{name},a.nii.gz,b.nii.gz\n")
    assert str(caught.value).isprintable()


def test_long_lists_are_read_at_once(tmp_path):
    rows = "".join(f"p{k},a.nii.gz,b.nii.gz\n" for k in range(10_000))
    start = time.process_time()
    assert len(listed(tmp_path, "id,moving,target\n" + rows)) == 10_000
    assert time.process_time() - start < 2


@pytest.mark.parametrize("second", ["ses-2/anat/sub-1_T1w.nii.gz", "ses-1/anat/sub-1_T1w.nii"])
def test_two_images_of_one_name_are_refused(tmp_path, second):
    for name in ("ses-1/anat/sub-1_T1w.nii.gz", second):
        (tmp_path / "sub-1" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sub-1" / name).touch()
    with pytest.raises(QuicksilverError, match="images of different names"):
        find_pairs(tmp_path, tmp_path / "target.nii")


def test_no_input_of_a_list_is_an_output(tmp_path, command, model_file):
    inside = tmp_path / "out" / "p"
    inside.mkdir(parents=True)
    write_nifti(inside / "warped.nii.gz", make_brain(0))
    before = (inside / "warped.nii.gz").read_bytes()
    (tmp_path / "pairs.csv").write_text(
        "id,moving,target\np,out/p/warped.nii.gz,out/p/warped.nii.gz\n"
    )
    image = inside / "warped.nii.gz"
    (tmp_path / "q.h5").symlink_to(image)
    (tmp_path / "fits.csv").write_text(f"id,moving,target\nq,{image},{image}\n")
    for words in (
        ("register", "--pairs", tmp_path / "pairs.csv", "-o", tmp_path / "out"),
        ("register", image, image, "-o", inside),
        ("fit", "--pairs", tmp_path / "fits.csv", "-o", tmp_path),
    ):
        code, shown, error = command(*words)
        assert code == 2
        assert "none of the inputs" in error
        assert not shown
    assert image.read_bytes() == before


def test_a_missing_list_is_refused(tmp_path):
    with pytest.raises(
        QuicksilverError, match=r"expected .*list of pairs at .*absent\.csv, found no such file"
    ):
        read_list(tmp_path / "absent.csv")
