"""tune: choose the settings of a model on its training ratings."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from factorate._training.settings import check_settings
from factorate._tuning.auto import check_auto, is_auto
from factorate._tuning.budget import check_budget, check_no_eval_set
from factorate._tuning.folds import RATINGS, Fold, make_folds, score_fold
from factorate._tuning.search import Problem
from factorate._tuning.space import SEARCHED, make_space
from factorate._tuning.timed_search import timed_search
from factorate._tuning.tuned import Tuned
from factorate.exceptions import DivergenceError

if TYPE_CHECKING:
    from factorate._fitted.fit import TrainingRatings
    from factorate._training.settings import Parameters, Settings
    from factorate._tuning.budget import Budget
    from factorate._tuning.search import FoldScore

WORK_PER_TRIAL = 1.75  # in fits with the default settings, of which a fit of SVD++ takes about two
SVDPP_WORK = 2.0
FIXED_WORK = 16  # work for a rating that does not depend on the number of factors, in factors
# Shrinkage is for sparse or noisy ratings. With many ratings and little noise, the best is far
# below the default: an eighth is tried first.
STARTS = ("svdpp", 1.0), ("shrinkage", -3.0)


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
    check_auto(parameters, SEARCHED, RATINGS.model)
    if is_auto(parameters["svdpp"]):
        check_settings({**defaults, "svdpp": True}, 0)
    return check_settings(defaults, 0)


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

    def evaluate(settings: dict[str, Any], fold: int) -> FoldScore:
        return score_fold(folds[fold], check_settings({**defaults, **settings}, seed))

    def work(settings: dict[str, Any]) -> float:
        return _work({**defaults, **settings}) / _work(defaults)

    problem = Problem(
        space=make_space(parameters, check_settings(defaults, seed)),
        n_folds=len(folds),
        evaluate=evaluate,
        work=work,
        n_trials=budget.n_trials,
        max_work=WORK_PER_TRIAL * budget.n_trials,
        seed=seed,
        starts=STARTS,
    )
    trials = timed_search(
        problem, "rmse", seconds=budget.seconds, began=began, verbose=defaults["verbose"]
    )
    fixed = {name: defaults[name] for name in SEARCHED if not is_auto(parameters[name])}
    tuned = Tuned(trials=trials, fixed=fixed, metric="rmse", has_loss=True)
    if not math.isfinite(tuned.best.metric):
        too_high = "".join(
            f"{name}={fixed[name]!r} is not too high and that "
            for name in ("learning_rate", "regularization")
            if fixed.get(name) is not None
        )
        raise DivergenceError(
            f"training diverged with all {len(trials)} settings that were tried; check that "
            f"{too_high}no rating or sample_weight is far larger than the others"
        )
    return tuned


def _folds(data: TrainingRatings, budget: Budget, seed: int, *, clip: bool) -> list[Fold]:
    if data.eval_set is None:
        return make_folds(data.weighted, data.weights, budget.n_folds, seed, clip=clip)
    check_no_eval_set(budget)
    bounds = data.bounds if clip else None
    return [
        Fold(training=data.weighted, weights=data.weights, held_out=data.eval_set, bounds=bounds)
    ]


def _work(parameters: Parameters) -> float:
    """Return the work of training, of which SVD++ terms need about twice as much."""
    times = SVDPP_WORK if parameters["svdpp"] else 1.0
    return float((parameters["n_factors"] + FIXED_WORK) * max(1, parameters["n_epochs"]) * times)
