"""solve_rows: the rows that minimize the objective, given the factors of the other side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factorate._kernels import dispatch
from factorate._training.als_scratch import Scratches
from factorate._training.als_weights import penalties
from factorate._training.gram import gram_of_padded
from factorate._training.interaction_side import Side, Work, for_each_block
from factorate._training.pad import pad, unpad
from factorate._utils.aligned import aligned_zeros

if TYPE_CHECKING:
    from factorate._training.als_settings import AlsSettings
    from factorate._training.interaction_side import InteractionSide, RowBlock
    from factorate._utils.types import Doubles, Floats, Offsets, Rows


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
    return unpad(solve_side(side, pad(other, settings.dtype), settings, gram), settings)


def solve_side(
    side: InteractionSide, other: Floats, settings: AlsSettings, known_gram: Doubles | None = None
) -> Floats:
    """Return the padded rows of a side that minimize the objective, given the other side."""
    base, of_rows = _fix(side, other, settings, known_gram)
    out = aligned_zeros((len(side), other.shape[1]), other.dtype)

    width = other.shape[1]
    scratches = Scratches(width, other.dtype, matrix=width, packed=dispatch.als.N_ROWS, vectors=3)

    def solve(block: RowBlock) -> None:
        fixed = other, base, of_rows[block.rows]
        with scratches.borrow() as scratch:
            dispatch.als.solve(block, *fixed, 0, block.n_rows, scratch, out[block.rows])

    work = Work(float(width * width), width**3 / 3 + 8 * width * width)
    for_each_block(side, work, settings.n_threads, solve)
    return out


def _fix(
    side: InteractionSide, other: Floats, settings: AlsSettings, known_gram: Doubles | None = None
) -> tuple[Floats, Floats]:
    """Return α₀ QᵀQ, and the penalty of each row."""
    base = aligned_zeros((other.shape[1], other.shape[1]), other.dtype)
    products = gram_of_padded(other, settings.n_threads) if known_gram is None else known_gram
    with np.errstate(over="ignore", invalid="ignore"):  # factors that are not finite
        base[: len(products), : len(products)] = products
        base *= other.dtype.type(settings.unobserved_weight)
        of_rows = penalties(side, len(other), settings).astype(other.dtype)
    return base, of_rows
