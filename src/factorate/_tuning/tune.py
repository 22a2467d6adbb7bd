"""tune: choose the settings of a model on its training ratings."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._training.settings import check_settings
from factorate._tuning.folds import Fold, FoldScore, make_folds, score_fold
from factorate._tuning.progress import trial_bar
from factorate._tuning.search import Problem, search
from factorate._tuning.space import SEARCHED, is_auto, make_space
from factorate._utils.validation import check_count, check_number
from factorate.exceptions import DivergenceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factorate._fitted.fit import TrainingRatings
    from factorate._training.settings import Parameters, Settings
    from factorate._tuning.search import Trial

WORK_PER_TRIAL = 1.75  # in fits with the default settings, of which a fit of SVD++ takes about two
SVDPP_WORK = 2.0
FIXED_WORK = 16  # work for a rating that does not depend on the number of factors, in factors

logger = logging.getLogger("factorate")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How long to search.

    Attributes
    ----------
    n_trials : int
        Maximum number of settings to try, those of the default included.
    seconds : float or None
        Seconds after which no further training begins; None for no limit.
    n_folds : int or None
        Number of folds; None to hold out a tenth as often as the number of ratings needs.
    """

    n_trials: int
    seconds: float | None
    n_folds: int | None


def check_budget(parameters: Mapping[str, Any]) -> Budget:
    """Return the budget that the parameters of a model describe, or raise an error."""
    seconds, n_folds = parameters["seconds"], parameters["cv"]
    return Budget(
        n_trials=check_count("n_trials", parameters["n_trials"], 1),
        seconds=None if seconds is None else check_number("seconds", seconds, above=0),
        n_folds=None if n_folds is None else check_count("cv", n_folds, 2),
    )


def check_search(parameters: Parameters, defaults: Parameters) -> Settings:
    """Return the settings with defaults for what is "auto", or raise an error.

    Parameters
    ----------
    parameters : mapping
        Parameters of the model that searches.
    defaults : mapping
        The result of `replace_auto` for them.

    Raises
    ------
    TypeError, ValueError
        If a parameter has the wrong type or value, or cannot be combined with another.
    """
    check_budget(parameters)
    if is_auto(parameters["svdpp"]):
        check_settings({**defaults, "svdpp": True}, 0)
    return check_settings(defaults, 0)


def replace_auto(parameters: Parameters, defaults: Parameters) -> dict[str, Any]:
    """Return the parameters of a model with the default for each that is "auto".

    Parameters
    ----------
    parameters : mapping
        Parameters of the model that searches.
    defaults : mapping
        Parameters of a model that does not search, which are all in the result.
    """
    given = {
        name: value
        for name, value in parameters.items()
        if name in defaults and not (name in SEARCHED and is_auto(value))
    }
    return {**defaults, **given}


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """The result of a search.

    Attributes
    ----------
    trials : tuple of Trial
        The trials, the best first.
    fixed : dict
        The parameters that could have been searched, but were set by the user.
    """

    trials: tuple[Trial, ...]
    fixed: dict[str, Any]

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
        scores = {name: np.full(shape, np.nan) for name in FoldScore._fields}
        for row, trial in enumerate(trials):
            for fold, score in enumerate(trial.scores):
                for name, value in zip(FoldScore._fields, score, strict=True):
                    scores[name][row, fold] = value
        return {
            "params": [{**self.fixed, **trial.parameters} for trial in trials],
            "iter": np.array([trial.round for trial in trials], np.int64),
            "n_folds": np.array([len(trial.scores) for trial in trials], np.int64),
            **{f"split{fold}_test_rmse": scores["rmse"][:, fold] for fold in range(shape[1])},
            "mean_test_rmse": np.array([trial.rmse for trial in trials]),
            "mean_test_loss": np.nanmean(scores["loss"], axis=1),
            "rank_test_loss": np.array(order, np.int64) + 1,
            "seconds": np.nansum(scores["seconds"], axis=1),
        }


def tune(data: TrainingRatings, parameters: Parameters, defaults: Parameters, seed: int) -> Tuned:
    """Choose settings on held-out ratings.

    Parameters
    ----------
    data : TrainingRatings
        The ratings; its validation set, if any, is used instead of folds.
    parameters : mapping
        Parameters of the model that searches; those that are "auto" are searched.
    defaults : mapping
        The result of `replace_auto` for them.
    seed : int
        Seed of training, of the folds and of the search.

    Raises
    ------
    ValueError
        If there are not enough ratings to hold some out.
    DivergenceError
        If training diverges with all settings that were tried.
    """
    began = time.perf_counter()
    budget = check_budget(parameters)
    folds = _folds(data, budget, seed, clip=defaults["clip"])
    tried: tuple[int, Trial] | None = None

    def evaluate(settings: dict[str, Any], fold: int) -> FoldScore:
        return score_fold(folds[fold], check_settings({**defaults, **settings}, seed))

    def work(settings: dict[str, Any]) -> float:
        return _work({**defaults, **settings}) / _work(defaults)

    def is_over() -> bool:
        return budget.seconds is not None and time.perf_counter() - began > budget.seconds

    with trial_bar(budget.n_trials, shown=defaults["verbose"]) as show:

        def report(n_trials: int, best: Trial) -> None:
            nonlocal tried
            tried = n_trials, best
            show(n_trials, best.rmse)

        problem = Problem(
            space=make_space(parameters, check_settings(defaults, seed)),
            n_folds=len(folds),
            evaluate=evaluate,
            work=work,
            n_trials=budget.n_trials,
            max_work=WORK_PER_TRIAL * budget.n_trials,
            is_over=is_over,
            seed=seed,
            report=report,
        )
        try:
            trials = search(problem)
        except KeyboardInterrupt:
            if tried is not None:
                logger.warning(
                    "the search was interrupted; the best of %d trials has the validation RMSE "
                    "%.4f and %s",
                    tried[0],
                    tried[1].rmse,
                    tried[1].parameters,
                )
            raise
    fixed = {name: defaults[name] for name in SEARCHED if not is_auto(parameters[name])}
    tuned = Tuned(trials=tuple(trials), fixed=fixed)
    if not math.isfinite(tuned.best.rmse):
        raise DivergenceError(
            f"training diverged with all {len(trials)} settings that were tried; check that no "
            f"rating or sample_weight is far larger than the others"
        )
    return tuned


def _folds(data: TrainingRatings, budget: Budget, seed: int, *, clip: bool) -> list[Fold]:
    if data.eval_set is None:
        return make_folds(data.weighted, data.weights, budget.n_folds, seed, clip=clip)
    if budget.n_folds is not None:
        raise ValueError(
            f"cv is {budget.n_folds}, but settings are chosen on the eval_set; drop one of them"
        )
    bounds = data.bounds if clip else None
    return [
        Fold(training=data.weighted, weights=data.weights, held_out=data.eval_set, bounds=bounds)
    ]


def _work(parameters: Parameters) -> float:
    """Return the work of training, of which SVD++ terms need about twice as much."""
    times = SVDPP_WORK if parameters["svdpp"] else 1.0
    return float((parameters["n_factors"] + FIXED_WORK) * max(1, parameters["n_epochs"]) * times)
