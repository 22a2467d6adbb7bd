"""timed_search: a search with a progress bar and a limit of time, which can be interrupted."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from factorate._tuning.progress import trial_bar
from factorate._tuning.search import search

if TYPE_CHECKING:
    from factorate._tuning.search import Problem, Trial

logger = logging.getLogger("factorate")


def timed_search(
    problem: Problem, metric: str, *, seconds: float | None, began: float, verbose: bool
) -> tuple[Trial, ...]:
    """Run a search, show its progress, and log the best settings so far if it is interrupted.

    Parameters
    ----------
    problem : Problem
        What is searched.
    metric : str
        Name of the metric, such as "rmse".
    seconds : float or None
        Seconds after which no further training begins; None for no limit.
    began : float
        Time of `time.perf_counter` from which they count.
    verbose : bool
        Whether to show a progress bar.

    Returns
    -------
    tuple of Trial
        The trials, the best first.
    """
    tried: tuple[int, Trial] | None = None

    def is_over() -> bool:
        return seconds is not None and time.perf_counter() - began > seconds

    with trial_bar(problem.n_trials, metric, shown=verbose) as show:

        def report(n_trials: int, best: Trial) -> None:
            nonlocal tried
            tried = n_trials, best
            show(n_trials, best.metric)

        try:
            return tuple(search(replace(problem, is_over=is_over, report=report)))
        except KeyboardInterrupt:
            if tried is not None:
                logger.warning(
                    "the search was interrupted; the best of %d trials has the validation %s %.4f "
                    "and %s",
                    tried[0],
                    metric.upper(),
                    tried[1].metric,
                    tried[1].parameters,
                )
            raise
