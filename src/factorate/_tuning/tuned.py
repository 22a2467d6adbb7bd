"""Tuned: the result of a search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from factorate._tuning.search import Trial


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """The result of a search.

    Attributes
    ----------
    trials : tuple of Trial
        The trials, the best first.
    fixed : dict
        The parameters that could have been searched, but were not.
    metric : str
        Name of the metric, such as "rmse".
    has_loss : bool
        Whether trials are compared by a loss other than the metric.
    """

    trials: tuple[Trial, ...]
    fixed: dict[str, Any]
    metric: str
    has_loss: bool

    @property
    def best(self) -> Trial:
        """The best trial."""
        return self.trials[0]

    @property
    def best_params(self) -> dict[str, Any]:
        """The settings of the best trial."""
        return {**self.fixed, **self.best.parameters}

    def columns(self) -> dict[str, Any]:
        """Return the trials as columns, in the order in which they began."""
        order = sorted(range(len(self.trials)), key=lambda rank: self.trials[rank].number)
        trials = [self.trials[rank] for rank in order]
        shape = len(trials), max(len(trial.scores) for trial in trials)
        losses, metrics, seconds = np.full((3, *shape), np.nan)
        for row, trial in enumerate(trials):
            for fold, score in enumerate(trial.scores):
                losses[row, fold], metrics[row, fold], seconds[row, fold] = score
        name = self.metric
        return {
            "params": [{**self.fixed, **trial.parameters} for trial in trials],
            "iter": np.array([trial.round for trial in trials], np.int64),
            "n_folds": np.array([len(trial.scores) for trial in trials], np.int64),
            **{f"split{fold}_test_{name}": metrics[:, fold] for fold in range(shape[1])},
            f"mean_test_{name}": np.array([trial.metric for trial in trials]),
            **({"mean_test_loss": np.nanmean(losses, axis=1)} if self.has_loss else {}),
            f"rank_test_{'loss' if self.has_loss else name}": np.array(order, np.int64) + 1,
            "seconds": np.nansum(seconds, axis=1),
        }
