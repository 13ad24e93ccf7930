"""Figures that are drawn into files, whatever the environment says of windows."""

from __future__ import annotations

import os
from typing import Any


def make_figure(**options: Any) -> Any:
    """Make a figure of matplotlib's Agg, with the options of `matplotlib.figure.Figure`.

    matplotlib, when it is first imported, refuses an unknown MPLBACKEND: it is not asked.
    """
    asked = os.environ.pop("MPLBACKEND", None)
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    finally:
        if asked is not None:
            os.environ["MPLBACKEND"] = asked
    figure = Figure(**options)
    FigureCanvasAgg(figure)
    return figure
