"""Points of VTK's legacy format, as VTK itself writes and reads them."""

from __future__ import annotations

import numpy as np
import pytest

from quicksilver.errors import QuicksilverError
from quicksilver.io.points import holds_points, read_points

POINTS = np.random.default_rng(0).uniform(-30, 30, (12, 3))
TRIANGLES = np.random.default_rng(0).integers(0, 12, (7, 3))
TEXT = """# vtk DataFile Version 3.0
3D Slicer output. SPACE=RAS
ASCII
DATASET POLYDATA
POINTS 3 float
1 2 3 4 5 6
7 8.5 -9e0
POLYGONS 1 4
3 0 1 2
POINT_DATA 3
SCALARS depth float 1
"""


def write_surface(path, vtk, title, version, text, double):
    support = pytest.importorskip("vtkmodules.util.numpy_support")
    model = pytest.importorskip("vtkmodules.vtkCommonDataModel")
    core = pytest.importorskip("vtkmodules.vtkCommonCore")
    points, cells = core.vtkPoints(), model.vtkCellArray()
    stored = POINTS.astype(np.float64 if double else np.float32)
    points.SetData(support.numpy_to_vtk(stored, deep=True))
    for triangle in TRIANGLES:
        cells.InsertNextCell(3, triangle.tolist())
    surface = model.vtkPolyData()
    surface.SetPoints(points)
    surface.SetPolys(cells)
    depth = support.numpy_to_vtk(np.arange(12.0), deep=True)
    depth.SetName("depth")
    surface.GetPointData().AddArray(depth)
    writer = vtk.vtkPolyDataWriter()
    writer.SetFileName(str(path))
    writer.SetHeader(title)
    writer.SetFileVersion(version)
    writer.SetFileType(1 if text else 2)
    writer.SetInputData(surface)
    assert writer.Write() == 1


@pytest.mark.parametrize("space", ["RAS", "LPS"])
@pytest.mark.parametrize("version", [42, 51])
@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize("double", [True, False])
def test_what_vtk_writes_is_read_and_what_is_written_vtk_reads(
    tmp_path, space, version, text, double
):
    vtk = pytest.importorskip("vtkmodules.vtkIOLegacy")
    support = pytest.importorskip("vtkmodules.util.numpy_support")
    path, moved = tmp_path / "a.vtk", tmp_path / "b.vtk"
    write_surface(path, vtk, f"3D Slicer output. SPACE={space}", version, text, double)
    assert holds_points(path)
    found, sign = read_points(path), np.array([1, 1, 1] if space == "RAS" else [-1, -1, 1])
    assert np.allclose(found.points, POINTS * sign, atol=1e-4)
    found.save(moved, found.points + np.array([1, 2, 3]))
    reader = vtk.vtkPolyDataReader()
    reader.SetFileName(str(moved))
    reader.Update()
    assert reader.GetHeader().endswith(f"SPACE={space}")
    surface = reader.GetOutput()
    there = support.vtk_to_numpy(surface.GetPoints().GetData())
    assert there.dtype == (np.float64 if double else np.float32)
    assert np.allclose(there, POINTS + sign * [1, 2, 3], atol=1e-4)
    triangles = support.vtk_to_numpy(surface.GetPolys().GetConnectivityArray())
    assert np.array_equal(triangles.reshape(-1, 3), TRIANGLES)
    depth = support.vtk_to_numpy(surface.GetPointData().GetArray("depth"))
    assert np.array_equal(depth, np.arange(12))


def test_what_is_behind_the_points_stays(tmp_path):
    (tmp_path / "a.vtk").write_text(TEXT)
    found = read_points(tmp_path / "a.vtk")
    assert found.points.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8.5, -9]]
    found.save(tmp_path / "b.vtk", found.points + 0.25)
    before, after = TEXT.split("1 2 3 4 5 6\n7 8.5 -9e0\n")
    points = "1.25 2.25 3.25\n4.25 5.25 6.25\n7.25 8.75 -8.75\n"
    assert (tmp_path / "b.vtk").read_text() == before + points + after


def test_who_does_not_say_the_space_is_asked(tmp_path):
    (tmp_path / "a.vtk").write_text(TEXT.replace(" SPACE=RAS", ""))
    with pytest.raises(QuicksilverError, match="without SPACE=RAS or SPACE=LPS"):
        read_points(tmp_path / "a.vtk")
    found = read_points(tmp_path / "a.vtk", lps=True)
    assert found.points[0].tolist() == [-1, -2, 3]
    found.save(tmp_path / "b.vtk", found.points)
    assert read_points(tmp_path / "b.vtk", lps=True).points.tolist() == found.points.tolist()


def test_a_title_is_not_overruled(tmp_path):
    (tmp_path / "a.vtk").write_text(TEXT)
    with pytest.raises(QuicksilverError, match="SPACE=RAS in spite of --lps"):
        read_points(tmp_path / "a.vtk", lps=True)
    (tmp_path / "b.vtk").write_text(TEXT.replace("=RAS", "=LPS"))
    assert read_points(tmp_path / "b.vtk", lps=True).points[0].tolist() == [-1, -2, 3]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("SPACE=RAS", "SPACE=RAS SPACE=LPS", "SPACE=RAS and SPACE=LPS"),
        ("POLYDATA", "UNSTRUCTURED_GRID", "POINTS of UNSTRUCTURED_GRID instead"),
        ("POINTS 3 float", "FIELD FieldData 1 x", "no points behind the title"),
        ("3 float", "3 int", "points of type int"),
        ("POINTS 3", "POINTS 30", "could not convert|cut short"),
        ("# vtk", "# VTK XML", "no title of VTK"),
    ],
)
def test_other_files_of_vtk_are_refused(tmp_path, old, new, words):
    (tmp_path / "a.vtk").write_text(TEXT.replace(old, new))
    with pytest.raises(QuicksilverError, match=words):
        read_points(tmp_path / "a.vtk")
