"""ImplicitFold: training interactions and those held out of them; the NDCG of settings on folds."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from factorate._fitted.seen import Seen
from factorate._fitted.seen_interactions import of_users
from factorate._fitted.training_interactions import select_interactions
from factorate._training.als import train_als
from factorate._training.held_out import assign_folds
from factorate._training.solve_rows import solve_rows
from factorate._tuning.folds import Words, count_folds
from factorate._tuning.search import FoldScore
from factorate._utils.random_streams import permutation, stream

if TYPE_CHECKING:
    from factorate._fitted.implicit_fit import MakeValidator, Validator
    from factorate._fitted.seen_interactions import Lists
    from factorate._fitted.training_interactions import TrainingInteractions
    from factorate._training.implicit_settings import ImplicitSettings
    from factorate._training.interactions import Interactions
    from factorate._utils.types import Rows

INTERACTIONS = Words("interactions", "ImplicitMatrixFactorization")
# The noise of a validation NDCG, relative to the differences between settings, is small enough
# with this many held-out interactions, and with this many users.
HELD_OUT_INTERACTIONS = 30_000
MAX_USERS = 10_000


@dataclass(frozen=True, kw_only=True)
class ImplicitFold:
    """Training interactions, and users with interactions that were held out.

    Attributes
    ----------
    training : Interactions
        The interactions to train on, with their counts.
    fraction : float
        Their number, as a fraction of that of all interactions.
    lists : Lists
        The training interactions of the users to validate on.
    ndcg : callable
        Returns the NDCG of the factors of these users, in their order, and of all items.
    """

    training: Interactions
    fraction: float
    lists: Lists
    ndcg: Validator


def make_implicit_folds(
    data: TrainingInteractions,
    make_validator: MakeValidator,
    n_folds: int | None,
    seed: int,
    *,
    max_users: int = MAX_USERS,
) -> list[ImplicitFold]:
    """Hold out each of several folds in turn, or the validation interactions of the user.

    Parameters
    ----------
    data : TrainingInteractions
        The interactions.
    make_validator : callable
        Makes the function that computes the NDCG.
    n_folds : int or None
        Number of folds. None divides the interactions into ten folds and returns as many of them as
        hold 30,000 interactions, at least one.
    seed : int
        Decides, with the user and item of an interaction, which fold it is in, and which users are
        validated on.
    max_users : int, default=10000
        Maximum number of users to validate on.

    Raises
    ------
    ValueError
        If there are not enough interactions for the folds.
    """
    given, shape = data.given, data.shape
    users, items = given.user_rows, given.item_rows
    if data.eval_set is not None:
        training = select_interactions(given, shape)
        return [_make_fold(training, data.eval_set, 1.0, make_validator, seed, max_users)]
    n_folds, divisions = count_folds(len(users), n_folds, HELD_OUT_INTERACTIONS, INTERACTIONS)
    numbers = assign_folds(users, items, divisions, seed)
    folds = []
    for number in range(n_folds):
        held = numbers == number
        is_known = np.zeros(shape[0], np.bool)  # users without training interactions are left out
        is_known[users[~held]] = True
        validated = held & is_known[users]
        if validated.any():
            training = select_interactions(given, shape, ~held)
            fraction = 1 - np.count_nonzero(held) / len(held)
            held_out = users[validated], items[validated]
            folds.append(_make_fold(training, held_out, fraction, make_validator, seed, max_users))
    if not folds:
        raise ValueError(
            "no user has two items, one to train on and one to validate on; give more "
            f"{INTERACTIONS.data}, or use {INTERACTIONS.model}"
        )
    return folds


def score_implicit_fold(fold: ImplicitFold, settings: ImplicitSettings) -> FoldScore:
    """Train with some settings and compute the NDCG at 10 on the held-out interactions.

    The loss is 1 − NDCG. It is infinite, and the NDCG −infinity, if training diverges. A weight of
    unobserved pairs is meant for all interactions, and multiplied by the fraction of them that is
    trained on, as the default is.
    """
    began = time.perf_counter()
    weighed = settings.weigh(fold.training)
    als = settings.complete(weighed)
    if settings.unobserved_weight is not None:
        als = replace(als, unobserved_weight=fold.fraction * settings.unobserved_weight)
    starts, items, counts = fold.lists
    with np.errstate(over="ignore", invalid="ignore"):
        trained, item_factors = train_als(weighed, als)
        weights = settings.weights(counts, len(items))
        user_factors = solve_rows(item_factors, starts, items, weights, als)
    if not all(np.isfinite(rows).all() for rows in (trained, item_factors, user_factors)):
        return FoldScore(math.inf, -math.inf, time.perf_counter() - began)
    ndcg = fold.ndcg(user_factors, item_factors)
    return FoldScore(1 - ndcg, ndcg, time.perf_counter() - began)


def _make_fold(
    training: Interactions,
    held_out: tuple[Rows, Rows],
    fraction: float,
    make_validator: MakeValidator,
    seed: int,
    max_users: int,
) -> ImplicitFold:
    """Make a fold, with validation on some of the users if there are very many."""
    users, inverse = np.unique(held_out[0], return_inverse=True)
    numbers, items = inverse.astype(np.int32), held_out[1]
    if len(users) > max_users:
        is_chosen = permutation(len(users), stream(seed, 7)) < max_users
        kept = is_chosen[numbers]
        new_numbers = (np.cumsum(is_chosen) - 1).astype(np.int32)
        users, numbers, items = users[is_chosen], new_numbers[numbers[kept]], items[kept]
    # Views, because `Seen` makes its arrays read-only.
    counts = training.user_weights.view()
    seen = Seen(
        training.user_starts.view(), training.user_items.view(), counts if len(counts) else None
    )
    lists = of_users(seen, users, counts.dtype)
    ndcg = make_validator(Seen(lists.starts, lists.others), numbers, items)
    return ImplicitFold(training=training, fraction=fraction, lists=lists, ndcg=ndcg)
