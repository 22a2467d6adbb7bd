"""Options of the comparison."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to compare, and how often.

    Attributes
    ----------
    models : tuple of str
        Names in `models.MODELS`.
    sets : list of str or None
        Data sets; None for those of each part.
    n_trials : int
        Trials of the search for settings; 0 for the default settings only.
    n_seeds, n_runs : int
        Numbers of seeds, and of repetitions of each time.
    millions, factors : tuple of int
        Numbers of interactions, in millions, and of factors in the comparison of speed.
    environments : Path
        Folder of the environments of other libraries.
    """

    models: tuple[str, ...]
    sets: list[str] | None
    n_trials: int
    n_seeds: int
    n_runs: int
    millions: tuple[int, ...]
    factors: tuple[int, ...]
    environments: Path
