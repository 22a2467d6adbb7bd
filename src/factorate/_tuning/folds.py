"""Fold: training ratings and the ratings that were held out of them; validation on folds."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factorate._input.rating_values import value_range
from factorate._training import losses
from factorate._training.factors import predict
from factorate._training.held_out import HeldOut, assign_folds
from factorate._training.sample_weights import select_ratings
from factorate._training.trainer import Trainer
from factorate._tuning.search import FoldScore
from factorate.exceptions import DivergenceError

if TYPE_CHECKING:
    from factorate._input.ratings import Ratings
    from factorate._training.settings import Settings
    from factorate._utils.types import Flags, Floats

DEFAULT_FOLDS = 10
# The noise of a validation error, relative to the differences between settings, is small enough
# with this many held-out ratings.
HELD_OUT_RATINGS = 10_000


class Words(NamedTuple):
    """Words for errors: what the data is, and the model that does not search."""

    data: str
    model: str


RATINGS = Words("ratings", "MatrixFactorization")


@dataclass(frozen=True, kw_only=True)
class Fold:
    """Training ratings and held-out ratings.

    Attributes
    ----------
    training : Ratings
        The ratings to train on.
    weights : ndarray or None
        Their weights.
    held_out : HeldOut
        The ratings to validate on.
    bounds : tuple of float or None
        Range to which predictions are clipped; None not to clip them.
    """

    training: Ratings
    weights: Floats | None
    held_out: HeldOut
    bounds: tuple[float, float] | None


def make_folds(
    ratings: Ratings,
    weights: Floats | None,
    n_folds: int | None,
    seed: int,
    *,
    clip: bool = False,
) -> list[Fold]:
    """Hold out each of several folds in turn.

    Parameters
    ----------
    ratings : Ratings
        The ratings.
    weights : ndarray or None
        Their weights; None if all are equal.
    n_folds : int or None
        Number of folds. None divides the ratings into ten folds and returns as many of them as
        hold 10,000 ratings, at least one.
    seed : int
        Decides, with the user and item of a rating, which fold it is in.
    clip : bool, default=False
        Whether to clip predictions to the range of the ratings.

    Raises
    ------
    ValueError
        If there are not enough ratings for the folds.
    """
    n_ratings = len(ratings.values)
    n_folds, divisions = count_folds(n_ratings, n_folds, HELD_OUT_RATINGS, RATINGS)
    numbers = assign_folds(ratings.user_rows, ratings.item_rows, divisions, seed)
    bounds = value_range(ratings.values)
    folds = [
        _make_fold(ratings, weights, numbers == number, bounds if clip else None)
        for number in range(n_folds)
        if 0 < np.count_nonzero(numbers == number) < n_ratings
    ]
    if not folds:
        raise ValueError(
            "all ratings are of the same user and item, which leaves none to validate on; give "
            f"more ratings, or use {RATINGS.model}"
        )
    return folds


def count_folds(n: int, n_folds: int | None, enough: int, words: Words) -> tuple[int, int]:
    """Return the number of folds to validate on, and the number that the data is divided into.

    Parameters
    ----------
    n : int
        Number of ratings or interactions.
    n_folds : int or None
        Number of folds that the user set. None divides the data into ten folds, of which as many
        are used as hold `enough`, at least one.
    enough : int
        Number that has to be held out in total.
    words : Words
        Words for errors.

    Raises
    ------
    ValueError
        If there are not enough for the folds.
    """
    divisions = DEFAULT_FOLDS if n_folds is None else n_folds
    if n_folds is None:
        divisions = min(divisions, n)
        n_folds = min(divisions, math.ceil(enough * divisions / n))
    if divisions < 2 or divisions > n:
        raise ValueError(
            f"there are {n} {words.data} for {max(2, divisions)} folds, which need at least one "
            f"each; give more {words.data}, or use {words.model}"
        )
    return n_folds, divisions


def score_fold(fold: Fold, settings: Settings) -> FoldScore:
    """Train with some settings and compute the errors for the held-out ratings.

    The loss is the mean loss on the scale of training; the metric is the RMSE in the unit of the
    ratings. Both are infinite if training diverges.
    """
    began = time.perf_counter()
    held_out, rule = fold.held_out, settings.rule
    try:
        # That one of many settings needs a lower learning rate is of no interest to the user, and
        # that ratings differ by little is logged by the fit to all of them.
        quiet = replace(settings, log_level=logging.DEBUG)
        trained = Trainer(fold.training, quiet, weights=fold.weights).train()
    except DivergenceError:
        return FoldScore(math.inf, math.inf, time.perf_counter() - began)
    factors = trained.factors
    predicted = predict(factors, held_out.user_rows, held_out.item_rows, settings.n_threads)
    predicted = predicted.astype(np.float64)
    if fold.bounds is not None:
        predicted = np.clip(predicted, *fold.bounds)
    values, weights = held_out.values.astype(np.float64), held_out.weights
    # The RMSE is computed on the scale of training, where squares neither overflow nor underflow.
    with np.errstate(over="ignore", invalid="ignore"):
        target, guess = ((x - factors.mean) / factors.scale for x in (values, predicted))
        squares = np.square(target - guess)
    loss = losses.mean_loss(rule, target, guess, weights)
    rmse = factors.scale * math.sqrt(losses.average(squares, weights))
    return FoldScore(loss, rmse, time.perf_counter() - began)


def _make_fold(
    ratings: Ratings,
    weights: Floats | None,
    held: Flags,
    bounds: tuple[float, float] | None,
) -> Fold:
    """Hold out some of the ratings, sorted so that sums do not depend on the order of the input."""
    validation = select_ratings(ratings, held)
    sort = np.lexsort((validation.values, validation.item_rows, validation.user_rows))
    held_out = HeldOut(
        user_rows=validation.user_rows[sort],
        item_rows=validation.item_rows[sort],
        values=validation.values[sort],
        weights=None if weights is None else weights[held][sort],
    )
    return Fold(
        training=select_ratings(ratings, ~held),
        weights=None if weights is None else weights[~held],
        held_out=held_out,
        bounds=bounds,
    )
