"""The steps of a half-epoch of alternating least squares, on a worker."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factorate._cluster.worker_threads import count_worker_threads
from factorate._training.gram import GRAM_ROWS, add_chunks, gram_of_chunks
from factorate._training.improve_rows import Eigenbasis, eigenbasis, rotate, take_steps
from factorate._training.pad import unpad
from factorate._training.solve_rows import solve_side
from factorate._utils.aligned import aligned_zeros

if TYPE_CHECKING:
    from factorate._cluster.group_interactions import GroupInteractions
    from factorate._training.als_settings import AlsSettings
    from factorate._utils.types import Doubles, Floats, Offsets


class Improved(NamedTuple):
    """The rows of a group after a half-epoch, and the part of the objective due to each."""

    rows: Floats
    losses: Doubles


def chunk_rows(edges: Offsets, group: int) -> list[tuple[int, slice]]:
    """Return the rows of the chunks of a Gram matrix that begin in a group.

    The cuts between groups may be anywhere, but a sum depends on those between chunks.

    Parameters
    ----------
    edges : ndarray of int64
        First row of each group, and the end.
    group : int
        The group.

    Returns
    -------
    list of (int, slice)
        Groups, and rows from the first of each.

    Examples
    --------
    >>> edges = np.array([0, 3000, 5000, 6000])
    >>> [chunk_rows(edges, group) for group in range(3)]
    [[(0, slice(0, 3000, None)), (1, slice(0, 1096, None))], [(1, slice(1096, 2000, None)), \
(2, slice(0, 1000, None))], []]
    """
    n = int(edges[-1])
    begin, stop = (min(-(-edge // GRAM_ROWS) * GRAM_ROWS, n) for edge in edges[group : group + 2])
    spans = enumerate(itertools.pairwise(edges.tolist()))
    overlaps = [(number, max(begin, a) - a, min(stop, b) - a) for number, (a, b) in spans]
    return [(number, slice(int(a), int(b))) for number, a, b in overlaps if a < b]


def take_rows(rows: Floats, chosen: slice) -> Floats:
    """Return some rows of a group."""
    return rows[chosen]


def gram_of_pieces(pieces: list[Floats]) -> list[Floats]:
    """Return the chunks of a Gram matrix, given their rows."""
    return gram_of_chunks(_stack(pieces), count_worker_threads())


def basis_of(chunks: list[list[Floats]]) -> Eigenbasis:
    """Return the eigenvectors of a Gram matrix, given its chunks in order."""
    in_order = list(itertools.chain(*chunks))
    return eigenbasis(add_chunks(in_order), in_order[0].dtype)


def rotate_group(rows: Floats, basis: Eigenbasis) -> Floats:
    """Return the rows of a group in another basis."""
    return rotate(rows, basis, count_worker_threads())


def improve_group(
    group: GroupInteractions,
    rows: Floats,
    other: list[Floats],
    basis: Eigenbasis,
    settings: AlsSettings,
) -> Improved:
    """Take steps towards the rows of a group that minimize the objective.

    Parameters
    ----------
    group : GroupInteractions
        The interactions of the rows.
    rows : ndarray
        The rows, not in the basis yet.
    other : list of ndarray
        The rows of all groups of the other side, in the basis.
    basis : Eigenbasis
        The eigenvectors of the Gram matrix of the other side.
    settings : AlsSettings
        The settings.
    """
    settings = replace(settings, n_threads=count_worker_threads())
    return Improved(*take_steps(group.weighed(), rows, _stack(other), basis, settings))


def rows_of(improved: Improved) -> Floats:
    """Return the rows after a half-epoch."""
    return improved.rows


def losses_of(improved: Improved) -> Doubles:
    """Return the part of the objective that is due to each row."""
    return improved.losses


def solve_group(group: GroupInteractions, other: Floats, settings: AlsSettings) -> Floats:
    """Return the rows of a group that minimize the objective, given all of the other side."""
    settings = replace(settings, n_threads=count_worker_threads())
    return unpad(solve_side(group.weighed(), other, settings), settings)


def zero_rows(n_rows: int, like: Floats) -> Floats:
    """Return rows of zeros, as long as others."""
    return aligned_zeros((n_rows, like.shape[1]), like.dtype)


def _stack(pieces: list[Floats]) -> Floats:
    """Return all rows in one array that begins on a cache line."""
    if len(pieces) == 1:
        return pieces[0]
    out = aligned_zeros((sum(map(len, pieces)), pieces[0].shape[1]), pieces[0].dtype)
    np.concatenate(pieces, out=out)
    return out
