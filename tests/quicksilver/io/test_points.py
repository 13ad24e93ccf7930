from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from nibabel.freesurfer.io import read_geometry, write_geometry

from quicksilver.errors import QuicksilverError
from quicksilver.images.image import Grid
from quicksilver.io.points import holds_points, read_points
from tests.quicksilver.phantoms import make_affine

POINTS = np.random.default_rng(0).uniform(-30, 30, (12, 3)).astype(np.float32).astype(float)
TRIANGLES = np.random.default_rng(0).integers(0, 12, (7, 3)).astype(np.int32)
GRID = Grid((30, 40, 50), make_affine((10, -20, 30), (1, 1.2, 0.9), (-1, 1, 1), (20, -20, -20)))
TABLE = 'name,x,Y, z ,note\nfirst,1.5,2,3,"a, b"\nsecond,-4,5e1,6,é\n'


def volume_geometry(grid: Grid) -> tuple[dict[str, object], np.ndarray]:
    """What FreeSurfer writes behind a surface, and the matrix from its coordinates to the world."""
    header = nib.MGHImage(np.zeros(grid.shape, np.uint8), grid.affine).header
    axes = header["Mdc"].T  # columns: directions of the axes
    geometry = {
        "head": np.array([2, 0, 20], np.int32),
        "valid": "1  # volume info valid",
        "filename": "orig.mgz",
        "volume": np.array(grid.shape),
        "voxelsize": grid.spacing,
        "xras": axes[:, 0],
        "yras": axes[:, 1],
        "zras": axes[:, 2],
        "cras": np.asarray(header["Pxyz_c"]),
    }
    return geometry, header.get_vox2ras() @ np.linalg.inv(header.get_vox2ras_tkr())


def gifti(points: np.ndarray, **meta: str) -> nib.GiftiImage:
    arrays = [
        nib.gifti.GiftiDataArray(
            points.astype(np.float32), "NIFTI_INTENT_POINTSET", meta=nib.gifti.GiftiMetaData(meta)
        ),
        nib.gifti.GiftiDataArray(TRIANGLES, "NIFTI_INTENT_TRIANGLE"),
    ]
    return nib.GiftiImage(darrays=arrays)


def test_a_table_keeps_its_other_columns(tmp_path):
    (tmp_path / "points.csv").write_text(TABLE, encoding="utf-8")
    found = read_points(tmp_path / "points.csv")
    assert np.allclose(found.points, [[1.5, 2, 3], [-4, 50, 6]])
    found.save(tmp_path / "moved.csv", found.points + 1)
    assert (tmp_path / "moved.csv").read_text(encoding="utf-8") == (
        'name,x,Y, z ,note\nfirst,2.500000,3.000000,4.000000,"a, b"\n'
        "second,-3.000000,51.000000,7.000000,é\n"
    )


def test_a_table_in_lps(tmp_path):
    (tmp_path / "points.csv").write_text(TABLE, encoding="utf-8")
    found = read_points(tmp_path / "points.csv", lps=True)
    assert np.allclose(found.points, [[-1.5, -2, 3], [4, -50, 6]])
    found.save(tmp_path / "same.csv", found.points)
    assert np.allclose(read_points(tmp_path / "same.csv").points, [[1.5, 2, 3], [-4, 50, 6]])


def test_a_tab_separates_too(tmp_path):
    (tmp_path / "points.tsv").write_text("x\ty\tz\n1\t2\t3\n")
    found = read_points(tmp_path / "points.tsv")
    found.save(tmp_path / "moved.tsv", found.points)
    assert (tmp_path / "moved.tsv").read_text(
        encoding="utf-8"
    ) == "x\ty\tz\n1.000000\t2.000000\t3.000000\n"


def test_freesurfer_surfaces_are_where_their_volume_is(tmp_path):
    geometry, to_world = volume_geometry(GRID)
    write_geometry(tmp_path / "lh.white", POINTS, TRIANGLES, volume_info=geometry)
    assert holds_points(tmp_path / "lh.white")
    found = read_points(tmp_path / "lh.white")
    assert np.allclose(found.points, POINTS @ to_world[:3, :3].T + to_world[:3, 3], atol=1e-3)
    found.save(tmp_path / "lh.moved", found.points + 1)
    again = read_points(tmp_path / "lh.moved")
    assert np.allclose(again.points, found.points + 1, atol=1e-3)
    stored, triangles = read_geometry(tmp_path / "lh.moved")
    assert np.allclose(stored, again.points, atol=1e-4)
    assert np.array_equal(triangles, TRIANGLES)


def test_gifti_surfaces_of_the_world(tmp_path):
    nib.save(gifti(POINTS), tmp_path / "lh.surf.gii")
    found = read_points(tmp_path / "lh.surf.gii")
    assert np.allclose(found.points, POINTS)
    found.save(tmp_path / "moved.surf.gii", found.points + 1)
    moved = nib.load(tmp_path / "moved.surf.gii")
    assert np.allclose(moved.agg_data("pointset"), POINTS + 1, atol=1e-4)
    assert np.array_equal(moved.agg_data("triangle"), TRIANGLES)


def test_gifti_surfaces_of_freesurfer_are_moved_into_the_world(tmp_path):
    meta = {"VolGeomC_R": "1.5", "VolGeomC_A": "-20", "VolGeomC_S": "3", "Name": "lh"}
    nib.save(gifti(POINTS, **meta), tmp_path / "lh.surf.gii")
    found = read_points(tmp_path / "lh.surf.gii")
    assert np.allclose(found.points, POINTS + np.array([1.5, -20, 3]))
    found.save(tmp_path / "moved.surf.gii", found.points)
    assert np.allclose(read_points(tmp_path / "moved.surf.gii").points, found.points, atol=1e-4)
    array = nib.load(tmp_path / "moved.surf.gii").darrays[0]
    assert float(array.meta["VolGeomC_A"]) == 0
    assert array.meta["Name"] == "lh"
    assert array.coordsys.dataspace == 1


def test_gifti_surfaces_of_oblique_volumes_are_where_freesurfers_are(tmp_path):
    geometry, to_world = volume_geometry(GRID)
    names = {"X": "xras", "Y": "yras", "Z": "zras", "C": "cras"}
    meta = {
        f"VolGeom{name}_{axis}": str(geometry[key][n])
        for name, key in names.items()
        for n, axis in enumerate("RAS")
    }
    nib.save(gifti(POINTS, **meta), tmp_path / "lh.surf.gii")
    found = read_points(tmp_path / "lh.surf.gii")
    assert np.allclose(found.points, POINTS @ to_world[:3, :3].T + to_world[:3, 3], atol=1e-3)
    found.save(tmp_path / "moved.surf.gii", found.points + 1)
    moved = nib.load(tmp_path / "moved.surf.gii").darrays[0]
    assert np.allclose(moved.data, found.points + 1, atol=1e-3)
    # Who reads the geometry without looking at the space of the coordinates finds them there, too.
    moved.coordsys = None
    nib.save(nib.GiftiImage(darrays=[moved]), tmp_path / "again.surf.gii")
    again = read_points(tmp_path / "again.surf.gii")
    assert np.allclose(again.points, found.points + 1, atol=1e-3)


@pytest.mark.parametrize("value", ["1e30", "1e300", "nan"])
def test_points_that_are_nowhere_are_refused_by_place(tmp_path, value):
    (tmp_path / "points.csv").write_text(f"x,y,z\n1,2,3\n4,{value},6\n")
    with pytest.raises(QuicksilverError, match=r"1 points with NaN or beyond .* at place 2"):
        read_points(tmp_path / "points.csv")


@pytest.mark.parametrize("suffix", [".trk", ".tck"])
def test_streamlines(suffix, tmp_path):
    lines = [POINTS[:5].astype(np.float32), POINTS[5:].astype(np.float32)]
    per_point = {"fa": [np.arange(len(line), dtype=np.float32)[:, None] for line in lines]}
    tractogram = nib.streamlines.Tractogram(
        lines, data_per_point=per_point if suffix == ".trk" else None, affine_to_rasmm=np.eye(4)
    )
    header = {"voxel_to_rasmm": np.diag([2.0, 2, 2, 1]), "dimensions": (9, 9, 9)}
    header |= {"voxel_sizes": (2, 2, 2), "voxel_order": "RAS"}
    path = tmp_path / f"lines{suffix}"
    nib.streamlines.save(tractogram, str(path), header=header if suffix == ".trk" else None)
    found = read_points(path)
    assert np.allclose(found.points, POINTS, atol=1e-4)
    found.save(tmp_path / f"moved{suffix}", found.points + 1, GRID)
    moved = nib.streamlines.load(tmp_path / f"moved{suffix}")
    assert [len(line) for line in moved.streamlines] == [5, 7]
    assert np.allclose(np.concatenate(list(moved.streamlines)), POINTS + 1, atol=1e-4)
    if suffix == ".trk":
        assert np.allclose(moved.header["voxel_to_rasmm"], GRID.affine, atol=1e-5)
        assert tuple(moved.header["dimensions"]) == GRID.shape
        assert moved.tractogram.data_per_point["fa"][1][3] == 3


def test_bad_points_are_refused(tmp_path):
    bad = {
        "no column y": "x,z\n1,2\n",
        "two columns x": "x,x,y,z\n1,1,2,3\n",
        "no number": "x,y,z\n1,2,three\n",
        "a short row": "x,y,z\n1,2\n",
        "not finite": "x,y,z\n1,2,inf\n",
        "no rows": "x,y,z\n",
        "nothing": "",
        "an open quote": 'x,y,z\n1,2,"3\n',
    }
    for text in bad.values():
        (tmp_path / "points.csv").write_text(text)
        with pytest.raises(QuicksilverError, match=r"expected points of .*, found '.+'; export"):
            read_points(tmp_path / "points.csv")
    geometry = POINTS, TRIANGLES
    write_geometry(tmp_path / "lh.white", *geometry)
    with pytest.raises(QuicksilverError, match="where its volume lies"):
        read_points(tmp_path / "lh.white")
