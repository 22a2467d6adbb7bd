"""SVD++ terms: which items a user has rated, whatever the ratings, as a part of the user's factors.

SVD++ (Koren, "Factorization Meets the Neighborhood", KDD 2008, eq. 15) replaces p_u by

    p̃_u = p_u + |N(u)|^-½ Σ_{j ∈ N(u)} y_j

where N(u) are the items that u rated in the training ratings. An update for each rating of u would
change every y_j of N(u), and most users share each y_j: this would be slow, and no two users could
be trained at the same time. Therefore users are divided into groups, which are trained one after
another in five phases:

1. gather: compute the sums Σ y_j of the users of the group;
2. combine: compute p̃_u from p_u and its sum;
3. update: update p̃_u, q_i and the biases for each rating of the group, as in the plain model;
4. distribute: divide the change of p̃_u into a fraction for the items and the rest for p_u;
5. spread: add |N(u)|^-½ times that fraction to each y_j, for each user of the group who rated j.

After this, |N(u)|^-½ Σ y_j has changed by that fraction, apart from what other users of the group
changed in the same items. Because N(u) are the rated items of u, gathering and spreading go through
the blocks of the schedule, and each task waits only for earlier ones in its bands. Regularization
of p_u is applied when distributing, and that of y_j at the end of the epoch: each is multiplied by
1 - ηλ once for each of its ratings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factorate._kernels import dispatch
from factorate._kernels.plain import LOOKAHEAD
from factorate._training.schedule import padded, strata
from factorate._utils.aligned import aligned_zeros
from factorate._utils.random_streams import permutation, stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    from factorate._training.scale import Scale
    from factorate._training.schedule import Schedule
    from factorate._training.settings import Settings
    from factorate._training.state import State, WarmStart
    from factorate._utils.types import Floats, Rows
    from factorate._utils.workers import Workers

ITEM_FRACTION = 0.12  # of the change of a user's factors, handed to the items
# All users of a group change the items that they share at once, so a user gets back a multiple of
# what it hands over: the mean square of the sum of the group's unit vectors |N(u)|^-½ 1_N(u). That
# multiple times the fraction is at most this. On ML-1M anything from 1 to 4 is equally good, 6 is
# worse, and 12 diverges with more groups.
MAX_STEP = 2.5


@dataclass(frozen=True, kw_only=True)
class SvdppTerms:
    """What training with SVD++ terms keeps from epoch to epoch; rows are positions.

    Attributes
    ----------
    schedule : Schedule
        The ratings.
    workers : Workers
        The threads.
    sums : ndarray
        Scratch memory: Σ y_j of each user, then the combined p̃_u, then the step of its items.
    norm : ndarray, shape (n_users,)
        |N(u)|^-½. A pair that was rated twice counts twice.
    user_weight, item_weight : ndarray
        Number of ratings of each user and item, or the sum of their weights.
    item_fractions : list of float
        The fraction that each group hands to the items.
    """

    schedule: Schedule
    workers: Workers
    sums: Floats
    norm: Floats
    user_weight: NDArray[Any]
    item_weight: NDArray[Any]
    item_fractions: list[float]

    def begin(self, state: State, scale: Scale, warm_start: WarmStart | None) -> State:
        """Return a state with y and p_u: y = 0, or the parameters of a warm start."""
        schedule = self.schedule
        svdpp = aligned_zeros(state.Q.shape, state.Q.dtype)
        out = replace(state, own_factors=state.P.copy(), svdpp=svdpp)
        if warm_start is not None and warm_start.factors.svdpp is not None:
            known = warm_start.known_items.take(schedule.item_order)
            rows = warm_start.factors.svdpp.take(schedule.item_order[known], axis=0)
            svdpp[known, : rows.shape[1]] = rows / rows.dtype.type(math.sqrt(scale.scale))
            self.combine(out)
            # Known users start with the p̃ they had; new users with a random p.
            known = warm_start.known_users.take(schedule.user_order)
            out.own_factors[known] -= (out.P - out.own_factors)[known]
        return out

    def combine(self, state: State) -> None:
        """Compute p̃ of every user from p and y."""
        self.sums.fill(0)
        rows, columns = (list(range(n)) for n in self.schedule.n_bands)
        tasks = [Task(Phase.GATHER, *crossing) for crossing in strata(rows, columns)]
        tasks += [Task(Phase.COMBINE, row, None) for row in rows]
        self._run(tasks, lambda task: self._gather_or_combine(state, task))

    def run_epoch(
        self, state: State, tasks: list[Task], keep: float, update: Callable[[int], float]
    ) -> float:
        """Run one epoch and return its squared error.

        Parameters
        ----------
        state : State
            The parameters, which are changed.
        tasks : list of Task
            The tasks of the epoch, from `epoch_tasks`.
        keep : float
            1 - ηλ of the user factors, by which p_u and y_j are multiplied for each rating.
        update : callable
            Updates p̃, q and the biases for each rating of a block, without regularization of p̃.

        Returns
        -------
        float
        """
        self.sums.fill(0)
        kept = (keep**self.user_weight).astype(state.P.dtype)
        squared = self._run(tasks, lambda task: self._perform(state, task, kept, update))
        svdpp = state.svdpp
        svdpp *= (keep**self.item_weight).astype(svdpp.dtype)[:, None]
        return squared

    def _run(self, tasks: list[Task], perform: Callable[[Task], float]) -> float:
        bands = [(task.row, task.column) for task in tasks]
        return sum(self.workers.run_tasks(tasks, bands, perform))

    def _perform(
        self, state: State, task: Task, kept: Floats, update: Callable[[int], float]
    ) -> float:
        """Perform one task and return its squared error."""
        schedule = self.schedule
        if task.column is not None and task.phase == Phase.UPDATE:
            return update(task.row * schedule.n_bands[1] + task.column)
        if task.phase == Phase.DISTRIBUTE:
            fraction = self.item_fractions[task.row // schedule.group_bands]
            rows = state.P, state.own_factors, self.sums, self.norm
            dispatch.svdpp.distribute(*rows, kept, fraction, *self._positions(task))
        elif task.phase == Phase.SPREAD:
            users, items, n = self._ratings(task)
            dispatch.svdpp.add_rows(items, users, n, state.svdpp, self.sums)
        else:
            self._gather_or_combine(state, task)
        return 0.0

    def _gather_or_combine(self, state: State, task: Task) -> float:
        if task.phase == Phase.COMBINE:
            rows = state.P, state.own_factors, self.sums, self.norm
            dispatch.svdpp.combine(*rows, *self._positions(task))
        else:
            users, items, n = self._ratings(task)
            dispatch.svdpp.add_rows(users, items, n, self.sums, state.svdpp)
        return 0.0

    def _positions(self, task: Task) -> tuple[int, int]:
        """Return the first user position of a row band, and the end."""
        edges = self.schedule.user_edges
        return int(edges[task.row]), int(edges[task.row + 1])

    def _ratings(self, task: Task) -> tuple[Rows, Rows, int]:
        """Return positions of the ratings of a block, with those to prefetch, and their number."""
        block = task.row * self.schedule.n_bands[1] + (task.column or 0)
        starts = self.schedule.block_starts
        begin, end = starts[block : block + 2].tolist()
        ahead = slice(begin, end + LOOKAHEAD)
        schedule = self.schedule
        return schedule.user_positions[ahead], schedule.item_positions[ahead], end - begin


class Phase(IntEnum):
    """What a task does with a block or a row band."""

    GATHER = 0
    COMBINE = 1
    UPDATE = 2
    DISTRIBUTE = 3
    SPREAD = 4


class Task(NamedTuple):
    """One phase for one block, or for a whole row band, whose column is None."""

    phase: Phase
    row: int
    column: int | None


def make_svdpp_terms(schedule: Schedule, settings: Settings, workers: Workers) -> SvdppTerms:
    """Count the ratings of each user, item and group.

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
    n, dtype = schedule.n_ratings, schedule.ratings.dtype
    users, items = schedule.user_positions[:n], schedule.item_positions[:n]
    weights = schedule.weights if len(schedule.weights) else None
    norm = np.bincount(users) ** -0.5
    starts = schedule.block_starts[:: schedule.n_bands[1]].tolist()  # of row bands
    edges = schedule.user_edges.tolist()
    fractions = []
    for bands in _groups(schedule):
        ratings = slice(starts[bands.start], starts[bands.stop])
        together = np.bincount(items[ratings], norm[users[ratings]])
        n_users = edges[bands.stop] - edges[bands.start]
        fractions.append(min(ITEM_FRACTION, MAX_STEP * n_users / float(together @ together)))
    return SvdppTerms(
        schedule=schedule,
        workers=workers,
        sums=aligned_zeros((len(schedule.user_order), padded(settings.n_factors)), dtype),
        norm=norm.astype(dtype),
        user_weight=np.bincount(users, weights),
        item_weight=np.bincount(items, weights),
        item_fractions=fractions,
    )


def epoch_tasks(schedule: Schedule, seed: int, epoch: int) -> list[Task]:
    """Return the tasks of one epoch, in the order that determines its result."""
    bits = stream(seed, 6, epoch)
    groups = _groups(schedule)
    tasks = []
    for number in permutation(len(groups), bits):
        rows = [groups[number][index] for index in permutation(len(groups[number]), bits)]
        crossings = strata(rows, permutation(schedule.n_bands[1], bits).tolist())
        for phase in Phase:
            if phase in (Phase.COMBINE, Phase.DISTRIBUTE):
                tasks += [Task(phase, row, None) for row in rows]
            else:
                tasks += [Task(phase, *crossing) for crossing in crossings]
    return tasks


def _groups(schedule: Schedule) -> list[range]:
    """Return the row bands of each group of users."""
    n_rows, width = schedule.n_bands[0], schedule.group_bands
    return [range(first, min(first + width, n_rows)) for first in range(0, n_rows, width)]
