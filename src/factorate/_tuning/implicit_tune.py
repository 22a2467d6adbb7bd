"""tune_implicit: choose the settings of a model of implicit feedback on its training data."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from factorate._fitted.training_interactions import select_interactions
from factorate._training.implicit_settings import check_implicit_settings
from factorate._tuning.auto import check_auto
from factorate._tuning.budget import check_budget, check_no_eval_set
from factorate._tuning.implicit_folds import (
    INTERACTIONS,
    make_implicit_folds,
    score_implicit_fold,
)
from factorate._tuning.implicit_space import (
    IMPLICIT_SEARCHED,
    IMPLICIT_STARTS,
    make_implicit_space,
)
from factorate._tuning.search import Problem
from factorate._tuning.timed_search import timed_search
from factorate._tuning.tuned import Tuned
from factorate.exceptions import DivergenceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factorate._fitted.implicit_fit import MakeValidator
    from factorate._fitted.training_interactions import TrainingInteractions
    from factorate._tuning.search import FoldScore

    Parameters = Mapping[str, Any]

WORK_PER_TRIAL = 4.0  # in fits with the default settings
MIN_GAIN = 0.002  # decrease of 1 − NDCG that is more than chance


def check_implicit_search(parameters: Parameters, defaults: Parameters) -> None:
    """Raise an error if a parameter is wrong.

    Parameters
    ----------
    parameters : mapping
        Parameters of the model that searches.
    defaults : mapping
        The result of `replace_auto` for them.

    Raises
    ------
    TypeError, ValueError
        If a parameter has the wrong type or value.
    """
    check_budget(parameters)
    check_auto(parameters, IMPLICIT_SEARCHED, INTERACTIONS.model)
    check_implicit_settings(defaults, 0)


def tune_implicit(
    data: TrainingInteractions,
    parameters: Parameters,
    defaults: Parameters,
    seed: int,
    make_validator: MakeValidator,
) -> Tuned:
    """Choose settings by the NDCG at 10 on held-out interactions.

    Parameters
    ----------
    data : TrainingInteractions
        The interactions; the validation set, if any, is used instead of folds.
    parameters : mapping
        Parameters of the model that searches; those that are "auto" are searched.
    defaults : mapping
        The result of `replace_auto` for them.
    seed : int
        Seed of training, of the folds and of the search.
    make_validator : callable
        Makes the function that computes the NDCG.

    Raises
    ------
    ValueError
        If there are not enough interactions to hold some out.
    DivergenceError
        If training diverges with all settings that were tried.
    """
    began = time.perf_counter()
    budget = check_budget(parameters)
    if data.eval_set is not None:
        check_no_eval_set(budget)
    folds = make_implicit_folds(data, make_validator, budget.n_folds, seed)
    interactions = select_interactions(data.given, data.shape)
    settings = check_implicit_settings(defaults, seed)
    space = make_implicit_space(parameters, settings, interactions)
    n_pairs, n_rows = interactions.n_pairs, sum(interactions.shape)
    del interactions

    def evaluate(chosen: dict[str, Any], fold: int) -> FoldScore:
        return score_implicit_fold(
            folds[fold], check_implicit_settings({**defaults, **chosen}, seed)
        )

    def work(chosen: dict[str, Any]) -> float:
        sizes = {**defaults, **chosen}
        return _work(sizes, n_pairs, n_rows) / _work(defaults, n_pairs, n_rows)

    problem = Problem(
        space=space,
        n_folds=len(folds),
        evaluate=evaluate,
        work=work,
        n_trials=budget.n_trials,
        max_work=WORK_PER_TRIAL * budget.n_trials,
        seed=seed,
        starts=IMPLICIT_STARTS,
        min_gains=(MIN_GAIN, MIN_GAIN),
    )
    trials = timed_search(
        problem, "ndcg", seconds=budget.seconds, began=began, verbose=defaults["verbose"]
    )
    searched = {dimension.parameter for dimension in space.dimensions}
    fixed = {name: defaults[name] for name in IMPLICIT_SEARCHED if name not in searched}
    tuned = Tuned(trials=trials, fixed=fixed, metric="ndcg", has_loss=False)
    if not math.isfinite(tuned.best.metric):
        raise DivergenceError(
            f"training diverged with all {len(trials)} settings that were tried; use lower counts, "
            f"or dtype='float64'"
        )
    return tuned


def _work(sizes: Parameters, n_pairs: int, n_rows: int) -> float:
    """Return the work of training: 4 K for each pair and side in a step, and 2 K² for each row."""
    n_factors = sizes["n_factors"]
    return float(sizes["n_epochs"] * n_factors * (4 * n_pairs + n_factors * n_rows))
