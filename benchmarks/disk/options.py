"""Options of the measurements."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to measure, and where.

    Attributes
    ----------
    folder : Path
        Folder of the ratings, the stores and the temporary files.
    n_ratings : int or None
        Number of ratings; None for that of each part.
    n_in_memory : int or None
        Number of ratings of the fit in memory of "large"; None for as many as fit.
    n_factors, n_threads, n_epochs : int
        Of all fits.
    n_runs : int
        Number of fits of each kind in "comparison".
    memory : int
        Maximum address space of a fit of "large", in bytes.
    reuse_store : bool
        Whether "large" takes the store of an earlier run and does not measure how it is written.
    mf_train : Path or None
        The command of LIBMF.
    environments : Path
        Folder of the environments of other libraries.
    """

    folder: Path
    n_ratings: int | None
    n_in_memory: int | None
    n_factors: int
    n_threads: int
    n_epochs: int
    n_runs: int
    memory: int
    reuse_store: bool
    mf_train: Path | None
    environments: Path
