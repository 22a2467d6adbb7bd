"""fit_and_test: fit a model to some of the ratings and test it on the others."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._input import files
from factorate._input.column_names import find_interaction_columns
from factorate._input.interactions import read_interactions
from factorate._input.ratings import read_ratings
from factorate.exceptions import UnknownIdWarning

if TYPE_CHECKING:
    import factorate as ft
    from factorate._utils.types import Flags


@dataclass(frozen=True, kw_only=True)
class HeldOutErrors:
    """Errors of predictions of held-out ratings.

    Attributes
    ----------
    n_ratings : int
        Number of held-out ratings.
    n_unknown : int
        Number of those whose user or item has no training rating.
    rmse, mae : float
        Errors of the model.
    biases_rmse : float
        RMSE of the mean of the training ratings plus damped biases.
    mean_rmse : float
        RMSE of the mean of the training ratings.
    """

    n_ratings: int
    n_unknown: int
    rmse: float
    mae: float
    biases_rmse: float
    mean_rmse: float


@dataclass(frozen=True, kw_only=True)
class HeldOutRanking:
    """Ranking metrics of recommendations on held-out interactions.

    Attributes
    ----------
    n_interactions : int
        Number of held-out interactions.
    n_users : int
        Number of users with one that is not also a training interaction.
    ndcg, recall, hit_rate : float
        Metrics at 10 of the model.
    popular_ndcg, popular_recall, popular_hit_rate : float
        Those of the most popular items.
    """

    n_interactions: int
    n_users: int
    ndcg: float
    recall: float
    hit_rate: float
    popular_ndcg: float
    popular_recall: float
    popular_hit_rate: float


def fit_and_test(
    model: ft.MatrixFactorization | ft.MatrixFactorizationCV,
    source: files.InputFile | str,
    fraction: float,
) -> HeldOutErrors:
    """Hold out ratings of a file at random, fit a model to the others, and test it.

    Parameters
    ----------
    model : MatrixFactorization or MatrixFactorizationCV
        The model to fit; its ``random_state`` also seeds the choice of the held-out ratings.
    source : InputFile or str
        A file of ratings.
    fraction : float
        Fraction of the ratings to hold out.

    Returns
    -------
    HeldOutErrors

    Raises
    ------
    ValueError
        If the file holds a single rating.
    """
    table = files.read_file(source, model.columns)
    columns = tuple(table.column(position) for position in range(3))
    ratings = read_ratings(columns, dtype=np.dtype(np.float64))  # all are checked before the fit
    held = _hold_out(len(ratings.values), fraction, model.random_state)
    training = _select(columns, ~held)
    model.fit(training)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnknownIdWarning)  # their number is in the result
        errors = model.evaluate(_select(columns, held), baselines=training)
    return HeldOutErrors(
        n_ratings=int(held.sum()),
        n_unknown=int(errors["n_unknown"]),
        rmse=errors["rmse"],
        mae=errors["mae"],
        biases_rmse=errors["biases_rmse"],
        mean_rmse=errors["mean_rmse"],
    )


def fit_and_rank(
    model: ft.ImplicitMatrixFactorization | ft.ImplicitMatrixFactorizationCV,
    source: files.InputFile | str,
    fraction: float,
) -> HeldOutRanking:
    """Hold out interactions of a file at random, fit a model to the others, and test it.

    Parameters
    ----------
    model : ImplicitMatrixFactorization or ImplicitMatrixFactorizationCV
        The model to fit; its ``random_state`` also seeds the choice of the held-out interactions.
    source : InputFile or str
        A file of interactions.
    fraction : float
        Fraction of the interactions to hold out.

    Returns
    -------
    HeldOutRanking

    Raises
    ------
    ValueError
        If the file holds a single interaction.
    """
    names = model.columns
    table = files.read_chosen(
        source, lambda present: find_interaction_columns(present, names), (None, None)
    )
    columns = tuple(table.columns)
    read_interactions(columns, dtype=np.dtype(np.float64))  # all are checked before the fit
    held = _hold_out(len(table), fraction, model.random_state, "interaction")
    model.fit(_select(columns, ~held))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnknownIdWarning)
        found = model.evaluate(_select(columns, held), popular=True)
    names_of_metrics = ("ndcg", "recall", "hit_rate")
    return HeldOutRanking(
        n_interactions=int(held.sum()),
        n_users=int(found["n_users"]),
        **{name: found[name] for name in names_of_metrics},
        **{f"popular_{name}": found[f"popular_{name}"] for name in names_of_metrics},
    )


def _hold_out(n: int, fraction: float, seed: Any, what: str = "rating") -> Flags:
    """Choose a fraction of `n` ratings at random; at least one, and not all."""
    if n < 2:
        raise ValueError(f"there is {n} {what}; at least two are needed to hold some out")
    held = np.zeros(n, bool)
    n_held = min(max(1, round(fraction * n)), n - 1)
    held[np.random.default_rng(seed).choice(n, n_held, replace=False)] = True
    return held


def _select(columns: tuple[Any, ...], rows: Flags) -> tuple[Any, ...]:
    return tuple(column.filter(rows) for column in columns)
