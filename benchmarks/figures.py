"""Reproducible figures as SVG files."""

from pathlib import Path
from typing import Any


def subplots(**settings: Any) -> tuple[Any, Any]:
    """Return a new figure and its axes for SVG output."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "factorate"
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(layout="constrained", **settings)
    return figure, axes


def save(figure: Any, path: Path) -> None:
    """Save a figure without its date and without trailing whitespace."""
    figure.savefig(path, metadata={"Date": None})
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("".join(f"{line.rstrip()}\n" for line in lines), encoding="utf-8")
