"""ClusterAlsRunner: runs epochs of alternating least squares on the workers of a cluster."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakSet

import numpy as np

from factorate._cluster.als_steps import (
    basis_of,
    chunk_rows,
    gram_of_pieces,
    improve_group,
    losses_of,
    rotate_group,
    rows_of,
    solve_group,
    take_rows,
    zero_rows,
)
from factorate._cluster.held import Held, futures_of, hold, restore
from factorate._training.als_runner import initial_factors, squared_lengths, sum_of_penalties
from factorate._training.pad import pad

if TYPE_CHECKING:
    from collections.abc import Callable

    from distributed import Future

    from factorate._cluster.interaction_groups import InteractionGroups
    from factorate._training.als_runner import Fetch
    from factorate._training.als_settings import AlsSettings
    from factorate._utils.types import Floats

R = TypeVar("R")


@dataclass(eq=False)
class ClusterFactors:
    """The factors of each group of users and of items, as they are between epochs."""

    sides: tuple[list[Held], list[Held]] = field(default_factory=lambda: ([], []))
    n_epochs: int = 0  # that have been run


class ClusterAlsRunner:
    """Runs epochs of alternating least squares on the workers of a cluster.

    In a half-epoch, every worker gets all factors of one side from the others, and improves the
    rows of its group of the other side. After an epoch, the factors of each group are copied to
    another worker. If a worker is lost, the epoch begins again with what the others have; the
    interactions of its groups are read and sorted again.

    Parameters
    ----------
    groups : InteractionGroups
        The interactions.
    settings : AlsSettings
        The settings.
    """

    def __init__(self, groups: InteractionGroups, settings: AlsSettings) -> None:
        self._groups = groups
        self._cluster = groups.cluster
        self._settings = settings
        self._states: WeakSet[ClusterFactors] = WeakSet()

    def begin(self) -> ClusterFactors:
        """Return the state before the first epoch."""
        state = ClusterFactors()
        self._retry(lambda: self._initialize(state))
        self._states.add(state)
        return state

    def run(self, state: ClusterFactors) -> float:
        """Run one epoch, and return the objective."""

        def run() -> float:
            self._cluster.balance()
            if state.n_epochs:  # workers may have come
                self._restore()
            return self._run(state)

        return self._retry(run)

    def fetcher(self, state: ClusterFactors) -> Fetch:
        """Return a function that returns the factors; it may be called until the next epoch."""
        n_factors = self._settings.n_factors

        def fetch(side: int) -> Floats:
            def gather() -> list[Floats]:
                return self._cluster.gather([held.future for held in state.sides[side]])

            return np.concatenate([rows[:, :n_factors] for rows in self._retry(gather)])

        return fetch

    def solve_users(self, item_factors: Floats) -> Floats:
        """Return the factors of all users that minimize the objective, given those of the items."""
        padded = pad(item_factors, self._settings.dtype)

        def solve() -> list[Floats]:
            cluster, given = self._cluster, (self._cluster.scatter(padded), self._settings)
            users = enumerate(self._groups.futures[0])
            return cluster.gather(
                [cluster.submit(solve_group, future, *given, group=g) for g, future in users]
            )

        return np.concatenate(self._retry(solve))

    def _initialize(self, state: ClusterFactors) -> None:
        """Send the factors before the first epoch to the workers."""
        cluster, (user_edges, item_edges) = self._cluster, self._groups.edges
        items = initial_factors(self._groups.shape[1], self._settings)
        spans = enumerate(itertools.pairwise(item_edges.tolist()))
        sent = [cluster.scatter(items[slice(*span)], group=group) for group, span in spans]
        users = [
            cluster.submit(zero_rows, n_rows, rows, group=group)
            for group, (n_rows, rows) in enumerate(
                zip(np.diff(user_edges).tolist(), sent, strict=True)
            )
        ]
        state.sides = (
            [Held(group, future) for group, future in enumerate(users)],
            [Held(group, future) for group, future in enumerate(sent)],
        )

    def _run(self, state: ClusterFactors) -> float:
        cluster = self._cluster
        rows = [[held.future for held in of_side] for of_side in state.sides]
        self._run_half(rows, 0)
        improved = self._run_half(rows, 1)
        losses = self._map(losses_of, improved)
        squares = self._map(squared_lengths, rows[0])
        users, items = (
            [hold(cluster, future, group) for group, future in enumerate(of_side)]
            for of_side in rows
        )
        held = list(futures_of([*users, *items]))
        try:
            found = cluster.gather([*losses, *squares])
            cluster.wait(held)
        except BaseException:
            cluster.cancel([*losses, *squares, *held])
            raise
        state.sides = users, items
        state.n_epochs += 1
        of_items, of_users = (
            np.concatenate(parts) for parts in (found[: len(losses)], found[len(losses) :])
        )
        return float(of_items.sum()) + sum_of_penalties(self._groups, of_users, self._settings)

    def _run_half(self, rows: list[list[Future]], side: int) -> list[Future]:
        """Improve the rows of a side, given the other one; return the tasks.

        Parameters
        ----------
        rows : list of list of Future
            The factors of each group of users, and of each group of items, which are replaced by
            those after the half-epoch.
        side : int
            0 to improve users, 1 for items.
        """
        cluster, other = self._cluster, 1 - side
        basis = cluster.submit(basis_of, self._gram(rows[other], other), group=0)
        rows[other] = self._map(rotate_group, rows[other], basis)
        improved = [
            cluster.submit(
                improve_group, interactions, mine, rows[other], basis, self._settings, group=group
            )
            for group, (interactions, mine) in enumerate(
                zip(self._groups.futures[side], rows[side], strict=True)
            )
        ]
        rows[side] = self._map(rows_of, improved)
        return improved

    def _gram(self, rows: list[Future], side: int) -> list[Future]:
        """Return tasks for the chunks of the Gram matrix of a side, in order."""
        submit, edges = self._cluster.submit, self._groups.edges[side]
        chunks = []
        for group in range(len(rows)):
            pieces = [
                submit(take_rows, rows[number], chosen, group=number)
                for number, chosen in chunk_rows(edges, group)
            ]
            if pieces:
                chunks.append(submit(gram_of_pieces, pieces, group=group))
        return chunks

    def _map(
        self, function: Callable[..., object], futures: list[Future], *args: object
    ) -> list[Future]:
        """Have the worker of each group call a function of its result."""
        return [
            self._cluster.submit(function, future, *args, group=group)
            for group, future in enumerate(futures)
        ]

    def _retry(self, call: Callable[[], R]) -> R:
        """Call a function; if workers are lost, again with what the others have."""
        return self._cluster.retry(call, self._restore)

    def _restore(self) -> None:
        """Replace the interactions and factors that are lost, and the copies that are lost.

        Raises
        ------
        ClusterError
            If the factors of a group and their copy are lost.
        """
        self._groups.restore()
        for state in list(self._states):
            if not state.n_epochs:
                self._initialize(state)
                continue
            n_groups = len(state.sides[0])
            restored = restore(self._cluster, [*state.sides[0], *state.sides[1]])
            state.sides = restored[:n_groups], restored[n_groups:]
