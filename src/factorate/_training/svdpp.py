"""SVD++ terms: the set of items that a user has rated contributes to the user's factors.

SVD++ (Koren, "Factorization Meets the Neighborhood", KDD 2008, eq. 15) replaces p_u by

    p̃_u = p_u + |N(u)|^-½ Σ_{j ∈ N(u)} y_j

where N(u) are the items of u in the training ratings. Updating every y_j of N(u) for each rating
of u would be slow, and users with common items could not be trained at the same time. Therefore
users are divided into groups, which are trained one after another in five phases:

1. gather: compute the sums Σ y_j of the users of the group;
2. combine: compute p̃_u from p_u and its sum;
3. update: update p̃_u, q_i and the biases for each rating of the group, as in the plain model;
4. distribute: divide the change of p̃_u into a fraction for the items and the rest for p_u;
5. spread: add |N(u)|^-½ times that fraction to each y_j, for each user of the group who rated j.

After this, |N(u)|^-½ Σ y_j has changed by that fraction, apart from the changes that other users of
the group made to the same items. Because N(u) are the rated items of u, the phases gather and
spread go through the blocks of the schedule, and each task waits only for earlier ones in its
bands. Regularization of p_u is applied in the phase distribute, and that of y_j at the end of the
epoch: each is multiplied by 1 - η (λ + c / n) once for each of its n ratings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factorate._kernels import dispatch
from factorate._training.block_order import crossings
from factorate._training.packed_ratings import chunks, unpack
from factorate._training.schedule import padded
from factorate._utils.aligned import aligned_zeros
from factorate._utils.fixed_order import dot, power
from factorate._utils.random_streams import permutation, stream
from factorate._utils.workers import Dependencies

if TYPE_CHECKING:
    from collections.abc import Callable

    from factorate._training.factors import WarmStart
    from factorate._training.packed_ratings import PackedRatings
    from factorate._training.scale import Scale
    from factorate._training.schedule import Schedule
    from factorate._training.settings import Settings
    from factorate._training.state import State
    from factorate._utils.types import Doubles, Floats, Offsets
    from factorate._utils.workers import Workers

ITEM_FRACTION = 0.12  # fraction of the change of a user's factors that is added to the items
# Users of a group add to the same items, so the terms of a user change by a multiple of the change
# that the user adds: the squared length of the sum of the group's unit vectors |N(u)|^-½ 1_N(u),
# divided by the number of users. MAX_STEP bounds the product of that multiple and the fraction. On
# ML-1M values from 1 to 4 are equally good, 6 is worse, and 12 diverges with more groups.
MAX_STEP = 2.5


@dataclass(frozen=True, kw_only=True)
class SvdppTerms:
    """Data for training with SVD++ terms, besides the state; rows are positions.

    Attributes
    ----------
    schedule : Schedule
        The ratings.
    workers : Workers
        The threads.
    work : ndarray
        Working memory: Σ y_j of each user, then p̃_u before its updates, then the change of each
        y_j of the user.
    norm : ndarray, shape (n_users,)
        |N(u)|^-½, where a pair that was rated twice counts twice.
    item_fractions : list of float
        Fraction of the change of user factors that is added to the items, for each group.
    """

    schedule: Schedule
    workers: Workers
    work: Floats
    norm: Floats
    item_fractions: list[float]

    def begin(self, state: State, scale: Scale, warm_start: WarmStart | None) -> State:
        """Return a state with SVD++ terms: y = 0, or those of a warm start."""
        schedule = self.schedule
        svdpp = aligned_zeros(state.Q.shape, state.Q.dtype)
        out = replace(state, own_factors=state.P.copy(), svdpp=svdpp)
        if warm_start is not None and warm_start.factors.svdpp is not None:
            known = warm_start.known_items.take(schedule.item_order)
            rows = warm_start.factors.svdpp.take(schedule.item_order[known], axis=0)
            svdpp[known, : rows.shape[1]] = rows / rows.dtype.type(math.sqrt(scale.scale))
            self.combine(out)
            # Known users start with their old p̃, new users with a random p.
            known = warm_start.known_users.take(schedule.user_order)
            out.own_factors[known] -= (out.P - out.own_factors)[known]
            self.combine(out)
        return out

    def combine(self, state: State) -> None:
        """Compute p̃ of every user from p and y."""
        self.work.fill(0)
        rows, columns = (list(range(n)) for n in self.schedule.n_bands)
        tasks = [Task(Phase.GATHER, *crossing) for crossing in crossings(rows, columns)]
        tasks += [Task(Phase.COMBINE, row, None) for row in rows]
        self._run(tasks, lambda task: self._gather_or_combine(state, task))

    def run_epoch(
        self,
        state: State,
        tasks: list[Task],
        decay: tuple[Doubles, Doubles],
        update: Callable[[int], float],
    ) -> float:
        """Run one epoch and return its squared error.

        Parameters
        ----------
        state : State
            The parameters, which are changed.
        tasks : list of Task
            The tasks of the epoch, from `epoch_tasks`.
        decay : tuple of ndarray
            The factors, from 0 to 1, by which each rating multiplies p_u and y_j.
        update : callable
            Updates p̃, q and the biases for each rating of a block, without regularization of p̃.

        Returns
        -------
        float
        """
        self.work.fill(0)
        user_decay = power(decay[0], self.schedule.user_counts).astype(state.P.dtype)
        squared = self._run(tasks, lambda task: self._perform(state, task, user_decay, update))
        svdpp = state.svdpp
        with np.errstate(invalid="ignore"):  # if training has diverged
            svdpp *= power(decay[1], self.schedule.item_counts).astype(svdpp.dtype)[:, None]
        return squared

    def _run(self, tasks: list[Task], perform: Callable[[Task], float]) -> float:
        dependencies = Dependencies([(task.row, task.column) for task in tasks])
        return sum(self.workers.run_tasks(tasks, dependencies, perform))

    def _perform(
        self, state: State, task: Task, user_decay: Floats, update: Callable[[int], float]
    ) -> float:
        """Perform one task and return its squared error."""
        schedule = self.schedule
        if task.column is not None and task.phase == Phase.UPDATE:
            return update(task.row * schedule.n_bands[1] + task.column)
        if task.phase == Phase.DISTRIBUTE:
            fraction = self.item_fractions[task.row // schedule.group_bands]
            rows = state.P, state.own_factors, self.work, self.norm
            dispatch.svdpp.distribute(*rows, user_decay, fraction, *self._positions(task))
        elif task.phase == Phase.SPREAD:
            tiles = self._tiles(task)
            dispatch.svdpp.add_rows(schedule.packed, *tiles, True, state.svdpp, self.work)
        else:
            self._gather_or_combine(state, task)
        return 0.0

    def _gather_or_combine(self, state: State, task: Task) -> float:
        if task.phase == Phase.COMBINE:
            rows = state.P, state.own_factors, self.work, self.norm
            dispatch.svdpp.combine(*rows, *self._positions(task))
        else:
            ratings, tiles = self.schedule.packed, self._tiles(task)
            dispatch.svdpp.add_rows(ratings, *tiles, False, self.work, state.svdpp)
        return 0.0

    def _positions(self, task: Task) -> tuple[int, int]:
        """Return the first user position of a row band, and the end."""
        edges = self.schedule.user_edges
        return int(edges[task.row]), int(edges[task.row + 1])

    def _tiles(self, task: Task) -> tuple[int, int]:
        """Return the first tile of a block, and the end."""
        block = task.row * self.schedule.n_bands[1] + (task.column or 0)
        first, end = self.schedule.block_tiles[block : block + 2].tolist()
        return first, end


class Phase(IntEnum):
    """The phase of an epoch that a task belongs to."""

    GATHER = 0
    COMBINE = 1
    UPDATE = 2
    DISTRIBUTE = 3
    SPREAD = 4


class Task(NamedTuple):
    """One phase of one block, or of a whole row band if the column is None."""

    phase: Phase
    row: int
    column: int | None


def make_svdpp_terms(schedule: Schedule, settings: Settings, workers: Workers) -> SvdppTerms:
    """Make the SVD++ terms of a schedule.

    Parameters
    ----------
    schedule : Schedule
        The ratings.
    settings : Settings
        The number of factors.
    workers : Workers
        The threads that will train.

    Returns
    -------
    SvdppTerms
    """
    ratings, dtype = schedule.packed, schedule.packed.dtype
    norm = 1 / np.sqrt(_count_users(ratings, len(schedule.user_order)))
    starts = schedule.block_starts[:: schedule.n_bands[1]].tolist()  # of row bands
    edges = schedule.user_edges.tolist()
    fractions = []
    for bands in _groups(schedule):
        together = np.zeros(len(schedule.item_order))
        for chunk in chunks(ratings, starts[bands.start], starts[bands.stop]):
            users, items, _ = unpack(ratings, chunk.start, chunk.stop)
            np.add.at(together, items.astype(np.intp), norm[users.astype(np.intp)])
        n_users = edges[bands.stop] - edges[bands.start]
        fractions.append(min(ITEM_FRACTION, MAX_STEP * n_users / dot(together, together)))
    return SvdppTerms(
        schedule=schedule,
        workers=workers,
        work=aligned_zeros((len(schedule.user_order), padded(settings.n_factors)), dtype),
        norm=norm.astype(dtype),
        item_fractions=fractions,
    )


def _count_users(ratings: PackedRatings, n_users: int) -> Offsets:
    """Return the number of ratings at each user position."""
    counts = np.zeros(n_users, np.int64)
    for chunk in chunks(ratings):
        users, _, _ = unpack(ratings, chunk.start, chunk.stop)
        first = users.min()  # the users of a chunk are in few row bands
        counted = np.bincount(users - first)
        counts[first : first + len(counted)] += counted
    return counts


def epoch_tasks(schedule: Schedule, seed: int, epoch: int) -> list[Task]:
    """Return the tasks of one epoch in their order, which determines the result."""
    bits = stream(seed, 6, epoch)
    groups = _groups(schedule)
    tasks = []
    for number in permutation(len(groups), bits):
        rows = [groups[number][index] for index in permutation(len(groups[number]), bits)]
        pairs = crossings(rows, permutation(schedule.n_bands[1], bits).tolist())
        for phase in Phase:
            if phase in (Phase.COMBINE, Phase.DISTRIBUTE):
                tasks += [Task(phase, row, None) for row in rows]
            else:
                tasks += [Task(phase, *pair) for pair in pairs]
    return tasks


def _groups(schedule: Schedule) -> list[range]:
    """Return the row bands of each group of users."""
    n_rows, n_bands = schedule.n_bands[0], schedule.group_bands
    return [range(first, min(first + n_bands, n_rows)) for first in range(0, n_rows, n_bands)]
