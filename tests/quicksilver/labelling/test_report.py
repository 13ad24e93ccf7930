"""The page of a labelled brain, in a browser."""

from __future__ import annotations

import numpy as np
import pytest

from quicksilver.images.image import Image
from quicksilver.labelling import report
from quicksilver.labelling.result import Labelling, measure_volumes
from quicksilver.registration.verdict import Verdict
from tests.quicksilver.atlases import draw_labels
from tests.quicksilver.browsers import show
from tests.quicksilver.phantoms import make_affine, make_brain


@pytest.fixture(scope="module")
def labelled() -> tuple[Labelling, Image]:
    brain = make_brain(1, affine=make_affine((0, 0, 0), (2, 1, 1), (-1, 1, 1)))
    labels = draw_labels(brain)
    volumes = measure_volumes(labels, {3: "left <half>"})
    verdicts = {"one": Verdict("good", ()), "two b": Verdict("doubtful", ("few voxels",))}
    return Labelling(labels, volumes, verdicts, None, {}), brain


def test_the_page_shows_volumes_and_atlases(labelled, tmp_path, open_tab):
    report.write_report(*labelled, tmp_path / "report.html", title="image.nii.gz, labelled")
    tab = open_tab()
    show(tab, tmp_path / "report.html")
    assert tab.locator("h1").inner_text() == "image.nii.gz, labelled"
    rows = [row.split("\t")[1:] for row in tab.locator("#volumes tr").all_inner_texts()]
    volumes = labelled[0].volumes
    assert rows == [
        [str(v.label), v.name, str(v.voxels), str(round(v.volume_mm3))] for v in volumes
    ]
    links = [link.get_attribute("href") for link in tab.locator("#atlases a").all()]
    assert links == ["atlases/one/report.html", "atlases/two%20b/report.html"]
    assert "few voxels" in tab.locator("#atlases").inner_text()
    assert tab.evaluate("document.getElementById('picture').naturalWidth") > 500


def test_the_page_is_the_same_every_time(labelled, tmp_path):
    for name in ("a.html", "b.html"):
        report.write_report(*labelled, tmp_path / name, title="t")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_right_is_right_whatever_the_order_of_voxels():
    data = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    turned, spacing = report._turn(data, make_affine((0, 0, 0), (2, 3, 4), (-1, 1, 1)))
    assert np.array_equal(turned, data[::-1])
    assert spacing.tolist() == [2, 3, 4]


def test_labels_have_their_colours_and_zero_has_none():
    colours = report.choose_colours([3, 700])
    painted = report._paint(np.array([[0, 3, 700]]), colours)
    assert painted[0, 0, 3] == 0
    assert painted[0, 1].tolist() == [*colours[3], report.OPACITY]
    assert colours[3] != colours[700]
