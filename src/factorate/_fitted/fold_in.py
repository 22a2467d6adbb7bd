"""Fold-in: users and items that come after training get the factors that fit their ratings best.

The other side stays as it is. Then the objective of training falls apart into one ridge regression
for each user (or item), which is solved exactly (Zhou, Wilkinson, Schreiber and Pan, "Large-Scale
Parallel Collaborative Filtering for the Netflix Prize", AAIM 2008, section 3.1, where the weight of
the penalty is the number of ratings, too). Other losses, L1 and factors that stay ≥ 0 have no such
solution, and are trained, the steps of the other side being 0. With SVD++ terms, p̃_u is those of
what u rated, plus such a p_u for what they leave of the ratings.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factorate._fitted.fitted_state import FittedState, extend_accumulators
from factorate._fitted.seen import Seen, add_seen, without_users
from factorate._input.id_index import range_index, without
from factorate._input.ratings import Ratings
from factorate._training import losses
from factorate._training.factors import Factors
from factorate._training.per_kind import PerKind
from factorate._training.state import WarmStart
from factorate._training.trainer import Trainer

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from factorate._training.settings import Settings
    from factorate._utils.types import Floats, Rows


VISITS = 500  # of a row's ratings, where there is no solution in one step
LEAST_EPOCHS = 20
CELLS = 1 << 18  # numbers of the equations that are set up at a time
SLAB = 1 << 13  # ratings of one row that are taken at a time
TINY = 1e-8  # λ below which the equations can be singular in float64
SMALLEST = 1e-10  # share of the largest eigenvalue below which one is rounding


@dataclass(frozen=True)
class Penalty:
    """λ of the rows that are solved, on the scale of training."""

    factors: float
    bias: float


@dataclass(frozen=True)
class Fixed:
    """The side that stays as it is, on the user's scale, and what both sides share.

    ``bias`` are the biases of that side; with ``fit_bias``, the rows that are solved have one too.
    """

    factors: Floats
    bias: Floats
    mean: float
    scale: float
    fit_bias: bool


def solve(
    fixed: Fixed, rows: Rows, others: Rows, ratings: Floats, n_rows: int, penalty: Penalty
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Minimize the objective of training over rows whose other side is fixed.

    Let X have a row for each item that a user rated, its factors followed by 1, and w be the user's
    factors followed by the bias, all on the scale of the ratings, whose standard deviation is s.
    Then, since factors are √s times those of training, and biases s times::

        w = (XᵀX + n D)⁻¹ Xᵀ (r − μ − b_items),  D = diag(s λ, …, s λ, λ_bias)

    Without regularization the shortest of the best solutions is taken.

    Parameters
    ----------
    fixed
        The other side.
    rows, others
        Row that is solved and row of the fixed side of each rating, shape (n,).
    ratings
        On the user's scale, shape (n,).
    n_rows
        Rows to solve; those without ratings are zeros.
    penalty
        λ.

    Returns
    -------
    factors, bias
        Shapes (n_rows, K) and (n_rows,). A row depends on its own ratings alone, and
        not on their order (without duplicates).
    """
    n_factors = fixed.factors.shape[1]
    diagonal = np.full(n_factors + fixed.fit_bias, fixed.scale * penalty.factors)
    diagonal[n_factors:] = penalty.bias
    width = len(diagonal)
    regular = penalty.factors >= TINY and (penalty.bias >= TINY or not fixed.fit_bias)
    order = np.argsort(rows * np.int64(len(fixed.factors)) + others, kind="stable")
    others = others[order]
    residuals = ratings[order] - (fixed.mean + fixed.bias[others].astype(np.float64))
    counts = np.bincount(rows, minlength=n_rows)
    starts = np.cumsum(counts) - counts
    out = np.zeros((n_rows, n_factors + 1))
    by_count = np.argsort(counts, kind="stable")
    changes = np.flatnonzero(np.diff(counts[by_count], prepend=0))
    for same in np.split(by_count, changes)[1:]:
        n = int(counts[same[0]])
        at_once = max(1, CELLS // (width * max(width, min(n, SLAB))))
        for first in range(0, len(same), at_once):
            some = same[first : first + at_once]
            places = starts[some, None] + np.arange(n)
            wanted = fixed.factors, others[places], residuals[places], diagonal
            few = regular and n < width
            out[some, :width] = _few(*wanted) if few else _many(*wanted, regular)
    return out[:, :n_factors], out[:, n_factors]


def _design(factors: Floats, others: Rows, width: int) -> NDArray[np.float64]:
    """Return the factors of what was rated, followed by 1 if there is room for it."""
    X = np.ones((*others.shape, width))
    X[..., : factors.shape[1]] = factors[others]
    return X


def _many(
    factors: Floats, others: Rows, residuals: NDArray[np.float64],
    diagonal: NDArray[np.float64], regular: bool,
) -> Floats:  # fmt: skip
    """Solve for rows of equally many ratings: as many equations as factors."""
    width, n = len(diagonal), others.shape[1]
    A, y = np.zeros((len(others), width, width)), np.zeros((len(others), width, 1))
    for begin in range(0, n, SLAB):
        part = slice(begin, begin + SLAB)
        X = _design(factors, others[:, part], width)
        A += X.mT @ X
        y += X.mT @ residuals[:, part, None]
    A[:, np.arange(width), np.arange(width)] += n * diagonal
    if regular:
        w: Floats = np.linalg.solve(A, y)[..., 0]
        return w
    inverse: Floats = np.linalg.pinv(A, rcond=SMALLEST, hermitian=True)
    return (inverse @ y)[..., 0]


def _few(
    factors: Floats, others: Rows, residuals: NDArray[np.float64], diagonal: NDArray[np.float64]
) -> Floats:
    """Solve for rows of equally many ratings: as many equations as ratings.

    (XᵀX + n D)⁻¹ Xᵀ = D⁻¹ Xᵀ (X D⁻¹ Xᵀ + n 1)⁻¹, as multiplying with both inverses shows.
    """
    n = others.shape[1]
    X = _design(factors, others, len(diagonal))
    divided = X / diagonal
    A = divided @ X.mT
    A[:, np.arange(n), np.arange(n)] += n
    w: Floats = divided.mT @ np.linalg.solve(A, residuals[..., None])
    return w[..., 0]


def _approach(
    fixed: Fixed, rows: Rows, others: Rows, ratings: Floats, n_rows: int, side: int,
    settings: Settings,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Come near the minimum under any rule, by training with fixed others.

    Rows of few ratings need more epochs for as many visits, so rows of like size go together.
    """
    factors, bias = np.zeros((n_rows, fixed.factors.shape[1])), np.zeros(n_rows)
    sizes = np.frexp(np.bincount(rows, minlength=n_rows))[1]  # 1 for 1, 2 for 2 and 3, …
    for size in np.unique(sizes[sizes > 0]).tolist():
        chosen = np.flatnonzero(sizes == size)
        which = sizes[rows] == size
        factors[chosen], bias[chosen] = _train(
            fixed, np.searchsorted(chosen, rows[which]).astype(np.int32), others[which],
            ratings[which], len(chosen), side, max(LEAST_EPOCHS, VISITS >> (size - 1)), settings,
        )  # fmt: skip
    return factors, bias


def _train(
    fixed: Fixed, rows: Rows, others: Rows, ratings: Floats, n_rows: int, side: int,
    n_epochs: int, settings: Settings,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Train rows, those of users for side 0 and of items for 1, by steps that fall to 0."""
    n_factors = fixed.factors.shape[1]
    used, columns = np.unique(others, return_inverse=True)
    new = np.zeros((n_rows, n_factors), ratings.dtype), np.zeros(n_rows, ratings.dtype)
    held = fixed.factors[used], fixed.bias[used]
    mine = new, np.zeros(n_rows, np.bool), rows, range_index(n_rows)
    theirs = held, np.ones(len(used), np.bool), columns.astype(np.int32), range_index(len(used))
    users, items = (theirs, mine) if side else (mine, theirs)
    (P, user_bias), known_users, user_rows, user_index = users
    (Q, item_bias), known_items, item_rows, item_index = items
    factors = Factors(
        user_factors=P,
        item_factors=Q,
        user_bias=user_bias,
        item_bias=item_bias,
        mean=fixed.mean,
        scale=fixed.scale,
    )
    rates = settings.rates
    # Biases need not wait for the others' factors.
    rate = (
        max(rates.item_factors, rates.item_bias)
        if side
        else max(rates.user_factors, rates.user_bias)
    )
    trained = Trainer(
        Ratings(user_rows, item_rows, ratings, user_index, item_index, None),
        dataclasses.replace(
            settings,
            n_factors=n_factors,
            n_epochs=n_epochs,
            rates=PerKind(0.0, rate, 0.0, rate) if side else PerKind(rate, 0.0, rate, 0.0),
            learning_rate_schedule="adagrad" if settings.rule.adagrad else "linear",
            patience=None,
            svdpp=False,
        ),
        warm_start=WarmStart(
            factors=factors, known_users=known_users, known_items=known_items, keep_scale=True
        ),
    ).train()
    found = trained.factors
    if side:
        return found.item_factors, found.item_bias
    return found.user_factors, found.user_bias


def svdpp_terms(rows: Rows, items: Rows, n_rows: int, svdpp: Floats) -> NDArray[np.float64]:
    """Return |N(u)|^-½ Σ y_j over what each user has rated, shape (n_rows, K).

    A row depends on its own ratings alone, and not on their order.
    """
    order = np.lexsort((items, rows))
    rows, items = rows[order], items[order]
    out = np.zeros((n_rows, svdpp.shape[1]))
    for first in range(0, len(rows), SLAB):
        part = slice(first, first + SLAB)
        np.add.at(out, rows[part], svdpp[items[part]].astype(np.float64))
    return out * np.maximum(np.bincount(rows, minlength=n_rows), 1)[:, None] ** -0.5


def _dot(P: Floats, rows: Rows, Q: Floats, others: Rows) -> NDArray[np.float64]:
    out = np.empty(len(rows))
    for first in range(0, len(rows), SLAB):
        part = slice(first, first + SLAB)
        out[part] = np.einsum("nk,nk->n", P[rows[part]], Q[others[part]])
    return out


def add(fitted: FittedState, ratings: Ratings, side: str, settings: Settings) -> FittedState:
    """Return a model with the users (or items) of more ratings, the others as they were.

    Parameters
    ----------
    fitted
        The model.
    ratings
        Rows are those of the model, new ones after them; −1 is an unknown row of the other side,
        whose ratings are left out.
    side
        "user" or "item": whose rows are solved; the old ones among them anew.
    settings
        Those of training.
    """
    settings.rule.check_same(fitted.rule)
    losses.check(ratings.values, fitted.rule, fitted.bounds)
    old = fitted.factors
    rows, others = (ratings.users, ratings.items)[:: 1 if side == "user" else -1]
    known = others >= 0
    index = ratings.user_index if side == "user" else ratings.item_index
    touched = np.unique(rows)
    fixed_side, place = ("item", 0) if side == "user" else ("user", 1)
    rule = settings.rule
    fixed = Fixed(
        getattr(old, f"{fixed_side}_factors"), getattr(old, f"{fixed_side}_bias"),
        old.mean, old.scale, rule.fit_bias,
    )  # fmt: skip
    some = np.searchsorted(touched, rows[known]).astype(np.int32), others[known]
    values, prior = ratings.values[known], np.zeros((1, 1))
    if side == "user" and old.svdpp is not None:
        prior = svdpp_terms(*some, len(touched), old.svdpp)
        values = (values - _dot(prior, some[0], old.item_factors, some[1])).astype(values.dtype)
    given = fixed, *some, values, len(touched)
    factors: Floats
    bias: Floats
    if rule.loss == "squared" and not rule.nonnegative and not any(settings.l1):
        factors, bias = solve(
            *given,
            Penalty(getattr(settings.l2, f"{side}_factors"), getattr(settings.l2, f"{side}_bias")),
        )
    else:
        factors, bias = _approach(*given, place, settings)
    solved = prior + factors, bias
    changed: dict[str, Any] = {}
    if side == "item" and old.svdpp is not None:
        changed["svdpp"] = np.zeros((len(index.ids), old.svdpp.shape[1]), old.svdpp.dtype)
        changed["svdpp"][: len(old.svdpp)] = old.svdpp
    for name, new in zip(("factors", "bias"), solved, strict=True):
        before = getattr(old, f"{side}_{name}")
        after = np.zeros((len(index.ids), *before.shape[1:]), before.dtype)
        after[: len(before)] = before
        with np.errstate(over="ignore"):
            after[touched] = new
        if not np.isfinite(after[touched]).all():
            raise ValueError(f"the ratings give a {side} {name} too large for {after.dtype}")
        changed[f"{side}_{name}"] = after
    return dataclasses.replace(
        fitted,
        factors=dataclasses.replace(old, **changed),
        user_index=ratings.user_index,
        item_index=ratings.item_index,
        accumulators=extend_accumulators(
            fitted.accumulators, (len(ratings.user_index.ids), len(ratings.item_index.ids)),
            old.user_factors.shape[1],
        ),
        seen=None if fitted.seen is None else add_seen(
            fitted.seen, ratings.users[known], ratings.items[known],
            len(ratings.user_index.ids), len(ratings.item_index.ids),
        ),
    )  # fmt: skip


def alone(fitted: FittedState, items: Rows, ratings: Floats, settings: Settings) -> FittedState:
    """Return a model whose only user, 0, gave some ratings; unknown items (−1) are left out."""
    old = fitted.factors
    none, user = np.empty(0, np.int32), range_index(1)
    nobody = dataclasses.replace(
        fitted,
        factors=dataclasses.replace(
            old, user_factors=old.user_factors[:0], user_bias=old.user_bias[:0]
        ),
        seen=Seen(np.zeros(1, np.int64), none),
        accumulators=None,
    )
    given = Ratings(np.zeros_like(items), items, ratings, user, fitted.item_index, None)
    return add(nobody, given, "user", settings)


def remove_users(fitted: FittedState, rows: Rows) -> FittedState:
    """Return a model that knows nothing of some users."""
    old = fitted.factors
    factors = dataclasses.replace(
        old,
        user_factors=np.delete(old.user_factors, rows, axis=0),
        user_bias=np.delete(old.user_bias, rows),
    )
    return dataclasses.replace(
        fitted,
        factors=factors,
        user_index=without(fitted.user_index, rows),
        accumulators=fitted.accumulators
        and (np.delete(fitted.accumulators[0], rows, axis=0), fitted.accumulators[1]),
        seen=None if fitted.seen is None else without_users(fitted.seen, rows),
    )
