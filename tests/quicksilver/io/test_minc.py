"""Linear transforms of MINC."""

import numpy as np
import pytest

from quicksilver.errors import QuicksilverError
from quicksilver.io.affines import read_affine

TEXT = """MNI Transform File
% made by hand

Transform_Type = Linear;
Linear_Transform =
 0 -2 0 10
 1 0 0 -5
 0 0 1.5 3;
"""


def test_a_point_of_the_moving_image_goes_to_the_target(tmp_path):
    (tmp_path / "talairach.xfm").write_text(TEXT)
    to_moving = read_affine(tmp_path / "talairach.xfm")
    # By the rows above, (1, 2, 4) of the moving image goes to (6, -4, 9) of the target.
    assert np.allclose(to_moving @ [6, -4, 9, 1], [1, 2, 4, 1])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("Type = Linear", "Type = Grid_Transform", "Grid_Transform of MINC"),
        (" 1 0 0 -5\n", "", "3 x 4 numbers"),
        ("1.5 3;", "nan 3;", "NaN"),
        ("1.5 3;", "1.5 3;\nTransform_Type = Linear;", "Linear, Linear of MINC"),
    ],
)
def test_what_is_no_linear_transform(tmp_path, old, new, words):
    (tmp_path / "bad.xfm").write_text(TEXT.replace(old, new))
    with pytest.raises(QuicksilverError, match=words) as caught:
        read_affine(tmp_path / "bad.xfm")
    assert "\n" not in str(caught.value)
