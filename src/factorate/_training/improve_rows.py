"""improve_rows: steps towards the rows that minimize the objective, for half an epoch.

They are those of the conjugate gradient method, in a basis in which its preconditioner is diagonal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from factorate._kernels import dispatch
from factorate._training.als_scratch import Scratches
from factorate._training.als_weights import penalties
from factorate._training.eigenvectors import eigenvectors
from factorate._training.gram import GRAM_ROWS, gram_of_padded
from factorate._training.interaction_side import Work, for_each_block
from factorate._training.schedule import padded
from factorate._utils.aligned import aligned_zeros
from factorate._utils.workers import Workers

if TYPE_CHECKING:
    from factorate._training.als_settings import AlsSettings
    from factorate._training.interaction_side import InteractionSide, RowBlock
    from factorate._utils.types import Doubles, Floats


def improve_rows(
    side: InteractionSide, rows: Floats, other: Floats, settings: AlsSettings
) -> tuple[Floats, Floats, float]:
    """Return better rows of a side, those of the other side, and the objective.

    Both are in the basis of the eigenvectors of QᵀQ, where Q are the factors of the other side.
    Scores and the objective are the same in every orthonormal basis. The objective lacks the
    penalties of the other side.
    """
    basis = eigenbasis(gram_of_padded(other, settings.n_threads), other.dtype)
    factors = rotate(other, basis, settings.n_threads)
    out, losses = take_steps(side, rows, factors, basis, settings)
    return out, factors, float(losses.sum())


@dataclass(frozen=True, kw_only=True)
class Eigenbasis:
    """The eigenvectors of QᵀQ as columns, and its eigenvalues."""

    vectors: Floats
    values: Floats


def eigenbasis(gram: Doubles, dtype: np.dtype[Any]) -> Eigenbasis:
    """Return the eigenvectors of a Gram matrix QᵀQ."""
    values, vectors = eigenvectors(gram)
    return Eigenbasis(
        vectors=np.ascontiguousarray(vectors.T.astype(dtype)),
        values=np.maximum(values, 0).astype(dtype),
    )


def rotate(factors: Floats, basis: Eigenbasis, n_threads: int) -> Floats:
    """Return factors in another basis, which does not change the scores."""
    out = aligned_zeros(factors.shape, factors.dtype)
    scratches = Scratches(factors.shape[1], factors.dtype)

    def multiply(first: int) -> None:
        stop = min(first + GRAM_ROWS, len(factors))
        with scratches.borrow() as scratch:
            dispatch.als.multiply(factors, basis.vectors, first, stop, scratch, out)

    Workers(n_threads).map(multiply, range(0, len(factors), GRAM_ROWS))
    return out


def take_steps(
    side: InteractionSide,
    rows: Floats,
    other: Floats,
    basis: Eigenbasis,
    settings: AlsSettings,
) -> tuple[Floats, Doubles]:
    """Return better rows of a side, and the part of the objective that is due to each.

    Parameters
    ----------
    side : InteractionSide
        The interactions of the rows.
    rows : ndarray
        The rows, not in the basis of eigenvectors yet.
    other : ndarray
        All rows of the other side, in the basis of eigenvectors.
    basis : Eigenbasis
        The eigenvectors of QᵀQ, where Q are the factors of the other side.
    settings : AlsSettings
        The settings.
    """
    problem = _Problem(
        factors=other,
        basis=basis.vectors,
        values=basis.values,
        unobserved=settings.unobserved_weight,
        observed=side.counts() / len(other),
        penalties=penalties(side, len(other), settings),
    )
    out, losses = aligned_zeros(rows.shape, rows.dtype), np.empty(len(side))
    n_steps = settings.n_steps
    scratches = Scratches(other.shape[1], other.dtype, vectors=4)

    def improve(block: RowBlock) -> None:
        mine = block.rows
        arrays = rows[mine], out[mine], losses[mine]
        with scratches.borrow() as scratch:
            dispatch.als.improve(
                block, problem.select(mine), n_steps, 0, block.n_rows, scratch, *arrays
            )

    for_each_block(side, work_of_steps(settings), settings.n_threads, improve)
    return out, losses


def work_of_steps(settings: AlsSettings) -> Work:
    """Return the work of a half-epoch."""
    width = padded(settings.n_factors)
    return Work(4.0 * width * (settings.n_steps + 1), 2.0 * width**2)


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
