"""Points of 3D Slicer, in the files of its versions."""

from __future__ import annotations

import numpy as np
import pytest

from quicksilver.errors import QuicksilverError
from quicksilver.io.points import holds_points, read_points

TEXT = """# Markups fiducial file version = {version}
# CoordinateSystem = {space}
# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID
vtkMRMLMarkupsFiducialNode_0,1.5,-2,3e1,0,0,0,1,1,1,0,"left, amygdala é",,vtkMRMLVolumeNode1
1,4,5,6,0,0,0,1,1,1,0,F-2,,,2,0
"""


@pytest.mark.parametrize(
    ("version", "space", "sign"),
    [("4.10", "0", 1), ("4.10", "1", -1), ("4.11", "LPS", -1), ("5.6", "RAS", 1)],
)
def test_the_header_says_the_space(tmp_path, version, space, sign):
    text = TEXT.format(version=version, space=space)
    (tmp_path / "F.fcsv").write_text(text, encoding="utf-8")
    assert holds_points(tmp_path / "F.fcsv")
    found = read_points(tmp_path / "F.fcsv")
    assert np.allclose(found.points, [[1.5 * sign, -2 * sign, 30], [4 * sign, 5 * sign, 6]])
    found.save(tmp_path / "moved.fcsv", found.points + np.array([1, 2, 3]))
    wanted = [f"{value:.6f}" for value in (1.5 + sign, -2 + 2 * sign, 33)]
    other = [f"{value:.6f}" for value in (4 + sign, 5 + 2 * sign, 9)]
    expected = text.replace("1.5,-2,3e1", ",".join(wanted)).replace("4,5,6", ",".join(other))
    assert (tmp_path / "moved.fcsv").read_text(encoding="utf-8") == expected


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("# CoordinateSystem = LPS\n", "", "no line '# CoordinateSystem"),
        ("= LPS", "= IJK", "the coordinate system IJK, not RAS or LPS"),
        ("= LPS", "= 2", "the coordinate system 2, not"),
        ("= LPS\n", "= LPS\n# CoordinateSystem = RAS\n", "the coordinate system LPS, RAS"),
        ("id,x,y,z", "id,r,a,s", "the columns id,r,a,s"),
        ("4,5,6", "4,five,6", "'five' in line 5"),
        ("1,4,5,6,0,0,0,1,1,1,0,F-2,,,2,0", "1,4", "1 coordinates in line 5"),
    ],
)
def test_what_is_no_list_of_points(tmp_path, old, new, words):
    text = TEXT.format(version="5.6", space="LPS")
    assert old in text
    (tmp_path / "F.fcsv").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(QuicksilverError, match=words):
        read_points(tmp_path / "F.fcsv")


@pytest.mark.parametrize("name", ["F.fcsv", "lh.gii", "lines.trk"])
def test_files_that_say_the_space_are_not_overruled(tmp_path, name):
    (tmp_path / name).write_text(TEXT.format(version="5.6", space="RAS"), encoding="utf-8")
    with pytest.raises(QuicksilverError, match="leave --lps out"):
        read_points(tmp_path / name, lps=True)
