"""Results of the Quicksilver paper, read from the files that its authors publish.

They are the target overlaps of every pair behind the paper's box plots, in
code/tools/evaluate_result/Quicksilver_results/*.mat of github.com/rkwitt/quicksilver, commit
b447827: here their quartiles and means over the pairs, four digits.
"""

from __future__ import annotations

from typing import NamedTuple


class Overlap(NamedTuple):
    """Target overlap over the pairs of a data set."""

    mean: float
    lower: float
    median: float
    upper: float


PAIRS = {"LPBA40": 1560, "IBSR18": 306, "CUMC12": 132, "MGH10": 90}
"""Number of pairs of each data set."""

OVERLAPS = {
    "affine": {
        "LPBA40": Overlap(0.5930, 0.5642, 0.6024, 0.6346),
        "IBSR18": Overlap(0.3972, 0.3689, 0.3971, 0.4249),
        "CUMC12": Overlap(0.3944, 0.3711, 0.3964, 0.4152),
        "MGH10": Overlap(0.4624, 0.4430, 0.4601, 0.4807),
    },
    "syn": {
        "LPBA40": Overlap(0.7146, 0.7095, 0.7248, 0.7382),
        "IBSR18": Overlap(0.5281, 0.5000, 0.5298, 0.5566),
        "CUMC12": Overlap(0.5138, 0.4874, 0.5146, 0.5392),
        "MGH10": Overlap(0.5683, 0.5507, 0.5652, 0.5897),
    },
    "lddmm": {
        "LPBA40": Overlap(0.7015, 0.6890, 0.7022, 0.7151),
        "IBSR18": Overlap(0.5331, 0.5076, 0.5368, 0.5604),
        "CUMC12": Overlap(0.5341, 0.5058, 0.5357, 0.5616),
        "MGH10": Overlap(0.5665, 0.5442, 0.5633, 0.5900),
    },
    "quicksilver-2017: prediction": {
        "LPBA40": Overlap(0.6950, 0.6827, 0.6955, 0.7083),
        "IBSR18": Overlap(0.5154, 0.4892, 0.5184, 0.5412),
        "CUMC12": Overlap(0.5146, 0.4858, 0.5145, 0.5416),
        "MGH10": Overlap(0.5531, 0.5325, 0.5485, 0.5751),
    },
    "quicksilver-2017: 1 correction": {
        "LPBA40": Overlap(0.6987, 0.6861, 0.6992, 0.7120),
        "IBSR18": Overlap(0.5258, 0.4997, 0.5297, 0.5532),
        "CUMC12": Overlap(0.5254, 0.4958, 0.5260, 0.5531),
        "MGH10": Overlap(0.5607, 0.5381, 0.5593, 0.5841),
    },
}
