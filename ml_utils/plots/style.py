"""The one plotting style: colours, sizes, and SVG that weighs little and prints well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, RED, GREY, PURPLE = "#2a5c8a", "#d9822b", "#3b8a5a", "#b5423c", "#8a8f98", "#6b4e8c"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, RED, GREY)
LIGHT = "#dbe4ee"
WIDTH = 8.0  # inches; the text column of a page

_STYLE: dict[str, Any] = {
    "figure.figsize": (WIDTH, 3.6),
    "figure.dpi": 96,
    "savefig.bbox": "tight",
    "font.size": 10,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": "#5a616b",
    "axes.labelcolor": "#3a4048",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e9ed",
    "grid.linewidth": 0.8,
    "xtick.color": "#3a4048",
    "ytick.color": "#3a4048",
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text: small, searchable, read aloud
    "svg.hashsalt": "octavo",  # the same figure gives the same bytes
}


def use_style() -> None:
    """Set the style for this process, and SVG for figures in a notebook."""
    import matplotlib as mpl
    from cycler import cycler

    style: Any = _STYLE | {"axes.prop_cycle": cycler(color=COLOURS)}
    mpl.rcParams.update(style)
    try:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("svg")
    except (ImportError, AttributeError):  # no notebook here: a script or a test
        return


def figure(
    rows: int = 1, columns: int = 1, height: float = 3.4, width: float = WIDTH
) -> tuple[Figure, list[Axes]]:
    """Make a figure in the style and return it with its axes as a flat list.

    Parameters
    ----------
    rows, columns : int
        Grid of axes.
    height : float
        Inches a row.
    width : float
        Inches in all.
    """
    import matplotlib.pyplot as plt

    made, axes = plt.subplots(
        rows, columns, figsize=(width, height * rows), layout="constrained", squeeze=False
    )
    plt.close(made)  # a cell shows the figure that it returns, once
    return made, list(axes.ravel())
