"""Lists of pairs."""

from __future__ import annotations

import pytest

from quicksilver.cohort.pairs import PairPaths, read_list
from quicksilver.errors import QuicksilverError


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


def test_a_missing_list_is_refused(tmp_path):
    with pytest.raises(
        QuicksilverError, match=r"expected .*list of pairs at .*absent\.csv, found no such file"
    ):
        read_list(tmp_path / "absent.csv")
