"""Numbers of parameters of ITK's transforms, checked before ITK reads them.

ITK takes as many as a file has, and reads beyond them where they are too few.
"""

from __future__ import annotations

COUNTS = {
    "AffineTransform": 12,
    "CenteredAffineTransform": 15,
    "ComposeScaleSkewVersor3DTransform": 12,
    "Euler3DTransform": 6,
    "FixedCenterOfRotationAffineTransform": 12,
    "IdentityTransform": 0,
    "MatrixOffsetTransformBase": 12,
    "QuaternionRigidTransform": 7,
    "Rigid3DTransform": 12,
    "ScaleLogarithmicTransform": 3,
    "ScaleSkewVersor3DTransform": 15,
    "ScaleTransform": 3,
    "ScaleVersor3DTransform": 9,
    "Similarity3DTransform": 7,
    "TranslationTransform": 3,
    "VersorRigid3DTransform": 6,
    "VersorTransform": 3,
}
COUNTS_2D = {
    "AffineTransform": 6,
    "CenteredAffineTransform": 8,
    "CenteredRigid2DTransform": 5,
    "CenteredSimilarity2DTransform": 6,
    "Euler2DTransform": 3,
    "FixedCenterOfRotationAffineTransform": 6,
    "IdentityTransform": 0,
    "MatrixOffsetTransformBase": 6,
    "Rigid2DTransform": 3,
    "ScaleLogarithmicTransform": 2,
    "ScaleTransform": 2,
    "Similarity2DTransform": 4,
    "TranslationTransform": 2,
}
"""Of the linear transforms of three dimensions."""


def check_count(kind: str, count: int) -> None:
    """Check that a transform has the parameters that it needs.

    Args:
        kind: Its name in a file, such as "AffineTransform_double_3_3".
        count: Number of its parameters.

    Raises:
        ValueError: It has others.
    """
    name = kind.split("_")[0]
    known = COUNTS if kind.endswith("_3_3") else COUNTS_2D if kind.endswith("_2_2") else {}
    wanted = known.get(name)
    if wanted is not None and count != wanted:
        raise ValueError(f"{count} parameters, where {name} has {wanted}")
    if wanted is None and count == 0 and name != "CompositeTransform":
        raise ValueError("a transform without parameters")
