"""Alternating least squares for implicit feedback.

The objective is that of Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback
Datasets" (ICDM 2008), with the regularization of Rendle, Krichene, Zhang and Koren, "Revisiting the
Performance of iALS on Item Recommendation Benchmarks" (RecSys 2022); see
`factorate.reference.als_objective`. Given the other side, the rows of a side are independent, so
they can be computed in any order and by any number of threads.
"""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from factorate._kernels import dispatch
from factorate._training.interaction_side import Side, Work
from factorate._training.schedule import padded
from factorate._utils.aligned import aligned_zeros
from factorate._utils.random_streams import stream, uniform
from factorate._utils.workers import Workers, slices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import DTypeLike

    from factorate._training.interaction_side import RowBlock
    from factorate._training.interactions import Interactions
    from factorate._training.interactions_on_disk import InteractionsOnDisk, SideOnDisk
    from factorate._utils.types import Doubles, Floats, Offsets, Rows

    Source = Interactions | InteractionsOnDisk

FLOAT32 = np.dtype(np.float32)
GRAM_ROWS = 4096  # rows whose outer products are added up before they are added to others
# Defaults, chosen by NDCG at 10 of interactions held out of five training sets, of 6,000 to a
# million interactions, for 64 factors and 16 epochs.
REGULARIZATION = 0.25
EXPONENT = 0.5
UNOBSERVED_RATIO = 8.0  # weight of all pairs together, divided by that of the interactions
START_SCALE = 0.1  # standard deviation of initial factors, times √K


@dataclass(frozen=True, kw_only=True)
class AlsSettings:
    """Settings of alternating least squares.

    Attributes
    ----------
    n_factors : int
        Number of factors K.
    n_epochs : int
        Number of epochs.
    regularization : float
        λ > 0.
    unobserved_weight : float
        Weight α₀ ≥ 0 of each pair of a user and an item, observed or not.
    exponent : float, default=0.5
        Exponent ν of the frequency-scaled regularization.
    mean_weight : float, default=1
        Unit of the weights in the regularization, so that their scale does not matter.
    n_threads : int, default=1
        Number of threads. It does not change the result.
    dtype : dtype, default=float32
        Type of the factors.
    seed : int, default=0
        Seed of the initial factors.
    n_steps : int, default=2
        Steps of the conjugate gradient method for each row in an epoch.
    """

    n_factors: int
    n_epochs: int
    regularization: float
    unobserved_weight: float
    exponent: float = EXPONENT
    mean_weight: float = 1.0
    n_threads: int = 1
    dtype: np.dtype[Any] = FLOAT32
    seed: int = 0
    n_steps: int = 2


class AlsEpoch(NamedTuple):
    """The state after an epoch.

    Attributes
    ----------
    number : int
        Number of the epoch, from 1 on.
    seconds : float
        Seconds of the epoch.
    loss : float
        The objective.
    user_factors, item_factors : ndarray of shapes (n_users, K) and (n_items, K)
        The factors, which later epochs do not change.
    """

    number: int
    seconds: float
    loss: float
    user_factors: Floats
    item_factors: Floats


def train_als(
    interactions: Source,
    settings: AlsSettings,
    *,
    initial: tuple[Floats, Floats] | None = None,
    after_epoch: Callable[[AlsEpoch], bool] | None = None,
) -> tuple[Floats, Floats]:
    """Factorize interactions: in each epoch, compute the users given the items, and the reverse.

    Parameters
    ----------
    interactions : Interactions or InteractionsOnDisk
        The interactions.
    settings : AlsSettings
        The settings.
    initial : tuple of ndarray, optional
        Initial factors of users and items. The default is random item factors.
    after_epoch : callable, optional
        Called with the state after each epoch; training stops if it returns True.

    Returns
    -------
    user_factors, item_factors : ndarray of shapes (n_users, K) and (n_items, K)
        Those of the last epoch, in the basis in which PᵀP is diagonal.
    """
    user_side, item_side = interactions.sides
    if initial is None:
        items = _initial_factors(interactions.shape[1], settings)
        users = aligned_zeros((interactions.shape[0], items.shape[1]), settings.dtype)
    else:
        users, items = (pad(factors, settings.dtype) for factors in initial)
    for number in range(1, settings.n_epochs + 1):
        begin = time.perf_counter()
        users, items, _ = improve_rows(user_side, users, items, settings)
        items, users, loss = improve_rows(item_side, items, users, settings)
        if after_epoch is None:
            continue
        epoch = AlsEpoch(
            number=number,
            seconds=time.perf_counter() - begin,
            loss=loss + _penalty(user_side, users, len(items), settings),
            user_factors=_unpad(users, settings),
            item_factors=_unpad(items, settings),
        )
        stop = after_epoch(epoch)
        del epoch  # the next one needs its memory
        if stop:
            break
    return _unpad(users, settings), _unpad(items, settings)


def solve_users(interactions: Source, item_factors: Floats, settings: AlsSettings) -> Floats:
    """Return the factors of all users that minimize the objective, given those of the items."""
    users, _ = interactions.sides
    return _unpad(_solve(users, pad(item_factors, settings.dtype), settings), settings)


def solve_rows(
    other: Floats,
    starts: Offsets,
    rows: Rows,
    weights: Floats,
    settings: AlsSettings,
    gram: Doubles | None = None,
) -> Floats:
    """Return the factors of rows that minimize the objective, given those of the other side.

    Parameters
    ----------
    other : ndarray of shape (n_others, K)
        Factors of the other side.
    starts : ndarray of int64, shape (n + 1,)
        Row k has the interactions from ``starts[k]`` to ``starts[k + 1]``.
    rows : ndarray of int32
        The row in `other` of each interaction.
    weights : ndarray
        The weight of each interaction; empty if all are 1.
    settings : AlsSettings
        The settings.
    gram : ndarray of float64, shape (K, K), optional
        The result of `gram` for `other`, if it is known.

    Returns
    -------
    ndarray of shape (n, K)
        The factors; zeros for rows without interactions. A row depends only on its own
        interactions, so it equals that of a half-epoch over more rows, bit for bit.
    """
    side = Side(starts=starts, others=rows, weights=weights.astype(settings.dtype, copy=False))
    return _unpad(_solve(side, pad(other, settings.dtype), settings, gram), settings)


def default_unobserved_weight(interactions: Source) -> float:
    """Return the default α₀: all pairs of a user and an item together weigh 8 times the observed.

    The best α₀ is nearly proportional to the fraction of pairs that are observed.

    Parameters
    ----------
    interactions : Interactions or InteractionsOnDisk
        The interactions.

    Returns
    -------
    float
    """
    n_users, n_items = interactions.shape
    observed = float(interactions.sides[0].counts().sum())
    return UNOBSERVED_RATIO * observed / max(n_users * n_items, 1)


def mean_weight(interactions: Source) -> float:
    """Return the mean weight of the observed pairs; 1 if there are none."""
    if not interactions.n_pairs:
        return 1.0
    return float(interactions.sides[0].counts().sum()) / interactions.n_pairs


def gram(factors: Floats, n_threads: int) -> Doubles:
    """Return QᵀQ for factors Q.

    Parameters
    ----------
    factors : ndarray of shape (n, K)
        The factors.
    n_threads : int
        Number of threads. It does not change the result.

    Returns
    -------
    ndarray of float64, shape (K, K)

    Examples
    --------
    >>> gram(np.array([[1.0, 2.0], [3.0, 4.0]]), n_threads=1)
    array([[10., 14.],
           [14., 20.]])
    """
    n_factors = factors.shape[1]
    return _gram(pad(factors, factors.dtype), n_threads)[:n_factors, :n_factors].copy()


class _Scratch(NamedTuple):
    """Working memory of the kernel; see `solve` and `improve` in _kernels/als.pyx."""

    matrix: Floats
    packed: Floats
    vectors: Floats
    rows: Floats
    products: Floats


class _Scratches:
    """Working memory that threads take turns in using, which saves allocating it for each block."""

    def __init__(
        self,
        width: int,
        dtype: np.dtype[Any],
        *,
        matrix: int = 0,
        packed: int = 0,
        vectors: int = 0,
    ) -> None:
        n_rows = dispatch.als.N_ROWS
        self._shapes = [(n, width) for n in (matrix, packed, vectors, n_rows, n_rows)]
        self._dtype = dtype
        self._unused: list[_Scratch] = []

    @contextmanager
    def borrow(self) -> Iterator[_Scratch]:
        """Give a scratch that no other thread uses meanwhile."""
        try:
            scratch = self._unused.pop()
        except IndexError:
            scratch = _Scratch(*(aligned_zeros(shape, self._dtype) for shape in self._shapes))
        yield scratch
        self._unused.append(scratch)


def _solve(
    side: Side | SideOnDisk, other: Floats, settings: AlsSettings, known_gram: Doubles | None = None
) -> Floats:
    """Return the rows of a side that minimize the objective."""
    base, penalties = _fix(side, other, settings, known_gram)
    out = aligned_zeros((len(side), other.shape[1]), other.dtype)

    width = other.shape[1]
    scratches = _Scratches(width, other.dtype, matrix=width, packed=dispatch.als.N_ROWS, vectors=3)

    def solve(block: RowBlock) -> None:
        fixed = other, base, penalties[block.rows]
        with scratches.borrow() as scratch:
            dispatch.als.solve(block, *fixed, 0, block.n_rows, scratch, out[block.rows])

    work = Work(float(width * width), width**3 / 3 + 8 * width * width)
    _for_each_block(side, work, settings.n_threads, solve)
    return out


def improve_rows(
    side: Side | SideOnDisk, rows: Floats, other: Floats, settings: AlsSettings
) -> tuple[Floats, Floats, float]:
    """Return better rows of a side, those of the other side, and the objective.

    Both are in the basis of the eigenvectors of QᵀQ, where Q are the factors of the other side.
    Scores and the objective are the same in every orthonormal basis. The objective lacks the
    penalties of the other side.
    """
    problem = _rotate(side, other, settings)
    out, losses = aligned_zeros(rows.shape, rows.dtype), np.empty(len(side))
    n_steps = settings.n_steps
    scratches = _Scratches(other.shape[1], other.dtype, vectors=4)

    def improve(block: RowBlock) -> None:
        mine = block.rows
        arrays = rows[mine], out[mine], losses[mine]
        with scratches.borrow() as scratch:
            dispatch.als.improve(
                block, problem.select(mine), n_steps, 0, block.n_rows, scratch, *arrays
            )

    _for_each_block(side, work_of_steps(settings), settings.n_threads, improve)
    return out, problem.factors, float(losses.sum())


def work_of_steps(settings: AlsSettings) -> Work:
    """Return the work of a half-epoch."""
    width = padded(settings.n_factors)
    return Work(4.0 * width * (settings.n_steps + 1), 2.0 * width**2)


def _for_each_block(
    side: Side | SideOnDisk, work: Work, n_threads: int, function: Callable[[RowBlock], None]
) -> None:
    """Call a function for each block of rows of a side."""
    with side.opened(work) as (n_blocks, opened):

        def run(number: int) -> None:
            with opened(number) as block:
                function(block)

        Workers(n_threads).map(run, range(n_blocks))


@dataclass(frozen=True, kw_only=True)
class _Problem:
    """The half-epoch in a basis in which QᵀQ is diagonal; see `improve` in _kernels/als.pyx."""

    factors: Floats
    basis: Floats
    values: Floats
    unobserved: float
    observed: Doubles
    penalties: Doubles

    def select(self, rows: slice) -> _Problem:
        """Return the problem of some rows."""
        return replace(self, observed=self.observed[rows], penalties=self.penalties[rows])


def _rotate(side: Side | SideOnDisk, other: Floats, settings: AlsSettings) -> _Problem:
    """Express a half-epoch in the eigenvectors of QᵀQ, which do not change the scores."""
    values, vectors = eigenvectors(_gram(other, settings.n_threads))
    basis = np.ascontiguousarray(vectors.T.astype(other.dtype))
    factors = aligned_zeros(other.shape, other.dtype)
    scratches = _Scratches(other.shape[1], other.dtype)

    def multiply(first: int) -> None:
        stop = min(first + GRAM_ROWS, len(other))
        with scratches.borrow() as scratch:
            dispatch.als.multiply(other, basis, first, stop, scratch, factors)

    Workers(settings.n_threads).map(multiply, range(0, len(other), GRAM_ROWS))
    return _Problem(
        factors=factors,
        basis=basis,
        values=np.maximum(values, 0).astype(other.dtype),
        unobserved=settings.unobserved_weight,
        observed=side.counts() / len(other),
        penalties=_penalties(side, len(other), settings),
    )


def eigenvectors(matrix: Doubles) -> tuple[Doubles, Doubles]:
    """Return the eigenvalues of a symmetric matrix, and its orthonormal eigenvectors as rows.

    They are NaN if the matrix is not finite.
    """
    n = len(matrix)
    if not np.isfinite(matrix).all():
        return np.full(n, np.nan), np.full((n, n), np.nan)
    # Squares neither overflow nor underflow with a largest element of about 1; a power of two does
    # not change the rounding.
    exponent = int(np.frexp(np.abs(matrix).max())[1])
    values, beside, vectors = np.empty(n), np.empty(n - 1), np.eye(n)
    kernel = dispatch.eigenvectors
    scaled = np.ldexp(matrix, -exponent)
    kernel.tridiagonalize(scaled, values, beside, vectors, np.empty((2, n)))
    if not kernel.diagonalize(values, beside, vectors):
        return np.full(n, np.nan), np.full((n, n), np.nan)
    return np.ldexp(values, exponent), vectors


def _fix(
    side: Side | SideOnDisk, other: Floats, settings: AlsSettings, known_gram: Doubles | None = None
) -> tuple[Floats, Floats]:
    """Return α₀ QᵀQ, and the penalty of each row."""
    base = aligned_zeros((other.shape[1], other.shape[1]), other.dtype)
    products = _gram(other, settings.n_threads) if known_gram is None else known_gram
    with np.errstate(over="ignore", invalid="ignore"):  # factors that are not finite
        base[: len(products), : len(products)] = products
        base *= other.dtype.type(settings.unobserved_weight)
        penalties = _penalties(side, len(other), settings).astype(other.dtype)
    return base, penalties


def _penalties(side: Side | SideOnDisk, n_others: int, settings: AlsSettings) -> Doubles:
    """Return λ w̄ ((n + α₀ n_others) / w̄)^ν of each row, with the mean weight w̄."""
    sizes = side.counts() + settings.unobserved_weight * n_others
    if settings.exponent != 1:
        sizes = settings.mean_weight * (sizes / settings.mean_weight) ** settings.exponent
    return settings.regularization * sizes


def _gram(factors: Floats, n_threads: int) -> Doubles:
    """Return QᵀQ for padded factors, summed in an order that depends on their number alone."""
    width = factors.shape[1]

    def add_up(first: int) -> Floats:
        out = aligned_zeros((width, width), factors.dtype)
        dispatch.als.gram(factors, first, min(first + GRAM_ROWS, len(factors)), out)
        return out

    total = np.zeros((width, width))
    for part in Workers(n_threads).map(add_up, range(0, len(factors), GRAM_ROWS)):
        total += part
    upper = np.triu(total)
    return upper + np.triu(total, 1).T


def _penalty(
    side: Side | SideOnDisk, factors: Floats, n_others: int, settings: AlsSettings
) -> float:
    squares = np.einsum("uk,uk->u", factors, factors, dtype=np.float64)
    return float((_penalties(side, n_others, settings) * squares).sum())


def _initial_factors(n_rows: int, settings: AlsSettings) -> Floats:
    """Return random factors of mean 0, uniformly distributed."""
    n_factors, bits = settings.n_factors, stream(settings.seed, 0)
    width = START_SCALE * math.sqrt(12 / n_factors)
    factors = aligned_zeros((n_rows, padded(n_factors)), settings.dtype)
    for rows in slices(n_rows, GRAM_ROWS):
        numbers = uniform((rows.stop - rows.start) * n_factors, bits).reshape(-1, n_factors)
        factors[rows, :n_factors] = width * (numbers - 0.5)
    return factors


def pad(factors: Floats, dtype: DTypeLike) -> Floats:
    """Return factors whose rows end in zeros up to whole vectors."""
    n_rows, n_factors = factors.shape
    if n_factors == padded(n_factors) and factors.dtype == dtype and factors.flags.c_contiguous:
        return factors
    out = aligned_zeros((n_rows, padded(n_factors)), np.dtype(dtype))
    out[:, :n_factors] = factors
    return out


def _unpad(factors: Floats, settings: AlsSettings) -> Floats:
    return np.ascontiguousarray(factors[:, : settings.n_factors])
