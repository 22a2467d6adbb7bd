"""Markdown tables, printed row by row, and the options that all tables share."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Options:
    """The choices made on the command line."""

    sets: tuple[str, ...]
    given_seeds: tuple[int, ...]
    peers: tuple[str, ...]
    libmf: str | None
    environments: Path

    def seeds(self, name: str) -> tuple[int, ...]:
        """Return the seeds of a set: 0 to 4 for MovieLens and 0 to 2 for the others by default."""
        return self.given_seeds or tuple(range(5 if name.startswith("ml-") else 3))


def print_head(title: str, *columns: str) -> None:
    """Print the title and the head of a table; all columns but the first are aligned right."""
    print(f"\n{title}\n")
    print_row(*columns)
    print_row("---", *["---:"] * (len(columns) - 1))


def print_row(*cells: object) -> None:
    """Print one row; numbers have four decimal places."""
    shown = (f"{cell:.4f}" if isinstance(cell, float) else str(cell) for cell in cells)
    print(f"| {' | '.join(shown)} |", flush=True)


def spread(values: list[float]) -> str:
    """Format the mean and the standard deviation."""
    deviation = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4f}{deviation}"


def percent(value: float, reference: float) -> str:
    """Format the difference of a value from a reference, in percent of the reference."""
    return f"{100 * (value / reference - 1):+.2f} %"
