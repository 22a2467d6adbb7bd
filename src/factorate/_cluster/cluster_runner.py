"""ClusterRunner: runs epochs on the workers of a cluster."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakSet

import numpy as np

from factorate._cluster.group_ratings import block_checksums
from factorate._cluster.group_state import GroupState
from factorate._cluster.held import Held, futures_of, hold, restore, same
from factorate._cluster.measure import measure
from factorate._cluster.steps import epoch_steps, group_bands
from factorate._cluster.update import StepTask, items_of, squared_of, update, users_of
from factorate._training.block_order import band_order, block_order
from factorate._training.block_updater import needs_general_kernel
from factorate._training.state import State, initial_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from distributed import Future

    from factorate._cluster.cluster import Cluster
    from factorate._cluster.row_groups import RowGroups
    from factorate._cluster.steps import Step
    from factorate._training.continuation import Continuation
    from factorate._training.factors import WarmStart
    from factorate._training.scale import Scale
    from factorate._training.schedule import Schedule
    from factorate._training.settings import Settings
    from factorate._utils.types import Floats, Offsets
    from factorate._utils.workers import Workers

R = TypeVar("R")

COLUMN_GROUPS = 2  # for each row group, so that steps are short enough to wait for


@dataclass(eq=False)
class ClusterState:
    """The states of all groups of users and of items, as they are between epochs.

    Attributes
    ----------
    users, items : list of Held
        The states.
    source : callable or None
        Returns all parameters, if the client sent the states; then they have no copies.
    """

    users: list[Held]
    items: list[Held]
    source: Callable[[], State] | None = None

    def __iter__(self) -> Iterator[Held]:
        """Iterate over the states of all groups."""
        return itertools.chain(self.users, self.items)


class ClusterRunner:
    """Runs epochs on the workers of a cluster.

    An epoch is a graph of steps. Each takes the ratings and users of a row group, which stay with
    its worker, and the items of a column group, which come from the worker that changed them last.
    After an epoch, the state of every group is copied to another worker. If a worker is lost, the
    epoch begins again with what the others have; the ratings of its groups are read again.

    Parameters
    ----------
    schedule : Schedule
        The standardized ratings, on the workers of a cluster.
    settings : Settings
        Settings of training.
    continuations : tuple of Continuation
        How the rows of users and items continue earlier training.
    """

    def __init__(
        self,
        schedule: Schedule,
        settings: Settings,
        continuations: tuple[Continuation, Continuation],
    ) -> None:
        self.continuations = continuations
        self._schedule = schedule
        self._settings = settings
        self._states: WeakSet[ClusterState] = WeakSet()
        self._general = needs_general_kernel(settings, weighted=False)
        ratings = schedule.ratings
        self._groups: RowGroups = ratings.holder  # type: ignore[union-attr]
        self._cluster: Cluster = self._groups.cluster
        n_groups = len(self._groups.bands) - 1
        n_columns = schedule.n_bands[1]
        n_column_groups = 1 if n_groups == 1 else min(n_columns, COLUMN_GROUPS * n_groups)
        self._column_groups = group_bands(n_columns, [1] * n_column_groups)
        item_bands = self._groups.cuts.item_side.bands
        firsts = np.searchsorted(self._column_groups, np.arange(n_column_groups + 1))
        self._edges: tuple[Offsets, Offsets] = self._groups.edges, item_bands[firsts]
        self._groups.standardize(ratings.levels, ratings.centre, ratings.scale)

    def begin(self, scale: Scale, warm_start: WarmStart | None) -> ClusterState:
        """Return the state before the first epoch."""
        return self._retry(
            lambda: self._scatter(
                lambda: initial_state(
                    self._schedule,
                    self._settings,
                    scale,
                    self.continuations,
                    warm_start,
                    with_accumulators=self._general,
                )
            )
        )

    def run(self, state: ClusterState, number: int, factor: float) -> float:
        """Run one epoch, and return the sum of the squared errors, each before its update."""

        def run() -> float:
            self._cluster.balance()
            if self._cluster.n_workers > 1:  # another worker may have come
                of_epochs = [live for live in self._states if live.source is None]
                if any(entry.copy is None for live in of_epochs for entry in live):
                    self._restore()
            return self._run(state, number, factor)

        return self._retry(run)

    def copy(self, state: ClusterState, target: ClusterState | None = None) -> ClusterState:
        """Return a state with the same groups, whose states never change."""
        target = self._new_state() if target is None else target
        target.users, target.items = state.users.copy(), state.items.copy()
        target.source = state.source
        return target

    def is_finite(self, state: ClusterState) -> bool:
        """Return whether all parameters are finite."""

        def check() -> bool:
            tasks = [self._cluster.submit(_is_finite, entry.future) for entry in state]
            return all(self._cluster.gather(tasks))

        return self._retry(check)

    def fetch(self, state: ClusterState) -> State:
        """Return the parameters."""

        def gather() -> list[list[GroupState]]:
            sides = state.users, state.items
            return [self._cluster.gather([entry.future for entry in entries]) for entries in sides]

        users, items = self._retry(gather)
        P, user_bias, user_accumulators = _join(users)
        Q, item_bias, item_accumulators = _join(items)
        empty = P[:0]
        return State(
            P=P,
            Q=Q,
            user_bias=user_bias,
            item_bias=item_bias,
            user_accumulators=user_accumulators,
            item_accumulators=item_accumulators,
            own_factors=empty,
            svdpp=empty,
        )

    def send(self, state: State) -> ClusterState:
        """Return the state with the given parameters."""
        return self._retry(lambda: self._scatter(lambda: state))

    def squared_error(self, state: ClusterState) -> float:
        """Return the sum of the squared errors of a state."""
        groups, edges = self._groups, self._edges[1].tolist()

        def compute() -> list[list[tuple[int, list[float]]]]:
            tasks = []
            for (row_group, users), (column_group, items) in itertools.product(
                enumerate(state.users), enumerate(state.items)
            ):
                states = groups.futures[row_group], users.future, self._items_for(row_group, items)
                rows = _bands_of(groups.row_groups, row_group)
                columns = _bands_of(self._column_groups, column_group)
                given = *states, list(itertools.product(rows, columns)), edges[column_group]
                tasks.append(self._cluster.submit(measure, *given, group=row_group))
            return self._cluster.gather(tasks)

        squared = 0.0
        for _, chunks in sorted(itertools.chain(*self._retry(compute))):
            for chunk in chunks:
                squared += chunk
        return squared

    def block_checksums(self) -> list[int]:
        """Return the checksum of the ratings of each block, in row-major order."""

        def compute() -> list[list[int]]:
            futures = enumerate(self._groups.futures)
            tasks = [self._cluster.submit(block_checksums, f, group=g) for g, f in futures]
            return self._cluster.gather(tasks)

        return list(itertools.chain(*self._retry(compute)))

    def complete(self, state: State) -> None:
        """Do nothing: there are no SVD++ terms."""

    def _run(self, state: ClusterState, number: int, factor: float) -> float:
        cluster, n_bands = self._cluster, self._schedule.n_bands
        order = band_order(n_bands, self._settings.seed, number)
        steps = epoch_steps(order, self._groups.row_groups, self._column_groups)
        remaining = [Counter(step[side] for step in steps) for side in range(2)]
        n_done: list[Counter[int]] = [Counter(), Counter()]
        users = [entry.future for entry in state.users]
        items: dict[int, Future] = {}
        tasks: list[Future] = []
        for row_group, column_group, blocks in steps:
            groups = row_group, column_group
            for side, group in enumerate(groups):
                remaining[side][group] -= 1
            task = StepTask(
                blocks=blocks,
                first_item_position=int(self._edges[1][column_group]),
                n_user_steps=n_done[0][row_group],
                n_item_steps=n_done[1][column_group],
                ends_users=not remaining[0][row_group],
                ends_items=not remaining[1][column_group],
                settings=self._settings,
                factor=factor,
                general=self._general,
            )
            if not n_done[1][column_group]:
                items[column_group] = self._items_for(row_group, state.items[column_group])
            for side, group in enumerate(groups):
                n_done[side][group] += 1
            given = self._groups.futures[row_group], users[row_group], items[column_group], task
            users[row_group] = cluster.submit(update, *given, group=row_group)
            items[column_group] = cluster.submit(items_of, users[row_group], group=row_group)
            tasks += users[row_group], items[column_group]
        squared = [cluster.submit(squared_of, last, group=g) for g, last in enumerate(users)]
        users = [cluster.submit(users_of, last, group=g) for g, last in enumerate(users)]
        held = [
            [hold(cluster, future, group) for group, future in enumerate(users)],
            [hold(cluster, items[column], row) for column, row in enumerate(_last_rows(steps))],
        ]
        try:
            found = cluster.gather(squared)
            cluster.wait(futures_of(itertools.chain(*held)))
        except BaseException:
            cluster.cancel([*tasks, *squared, *users])
            raise
        state.users, state.items = held
        state.source = None
        by_block = {
            row * n_bands[1] + column: error for row, column, error in itertools.chain(*found)
        }
        numbers = block_order(n_bands, self._settings.seed, number)
        total: float = sum(by_block[number] for number in numbers)
        return total

    def _new_state(self) -> ClusterState:
        """Return an empty state, which is restored as long as it exists."""
        state = ClusterState([], [])
        self._states.add(state)
        return state

    def _items_for(self, row_group: int, items: Held) -> Future:
        """Return items that the worker of a row group may take.

        Those that another worker holds are not taken themselves: see `hold`.
        """
        cluster, holder = self._cluster, items.group
        if cluster.address_of(row_group) == cluster.address_of(holder):
            return items.future
        return cluster.submit(same, items.future, group=holder)

    def _scatter(self, source: Callable[[], State]) -> ClusterState:
        """Send parameters to the workers."""
        schedule, state = self._schedule, source()
        sides = (
            (state.P, state.user_bias, state.user_accumulators, schedule.user_counts),
            (state.Q, state.item_bias, state.item_accumulators, schedule.item_counts),
        )
        held: tuple[list[Held], list[Held]] = [], []
        n_groups = len(self._edges[0]) - 1
        for side, (factors, bias, accumulators, counts) in enumerate(sides):
            scales = self.continuations[side].scales
            highest = float(scales.max())
            if (scales == 1).all():
                scales = scales[:0]
            for group, ends in enumerate(itertools.pairwise(self._edges[side].tolist())):
                rows = slice(*ends)
                group_state = GroupState(
                    side=side,
                    factors=factors[rows],
                    bias=bias[rows],
                    accumulators=accumulators[rows],
                    counts=counts[rows],
                    scales=scales[rows],
                    highest_scale=highest,
                    columns=np.empty((0, 4), bias.dtype),
                )
                holder = group % n_groups
                future = self._cluster.scatter(group_state, group=holder)
                held[side].append(Held(holder, future))
        sent = self._new_state()
        sent.users, sent.items = held
        sent.source = source
        return sent

    def _retry(self, call: Callable[[], R]) -> R:
        """Call a function; if workers are lost, again with what the others have."""

        def restore_all() -> None:
            self._groups.restore()
            self._restore()

        return self._cluster.retry(call, restore_all)

    def _restore(self) -> None:
        """Replace what is lost of all states: see `restore`."""
        states = list(self._states)
        for live in states:
            if live.source is not None and not all(
                self._cluster.holders([entry.future for entry in live])
            ):
                self.copy(self._scatter(live.source), live)
        of_epochs = [live for live in states if live.source is None]
        entries = list({id(entry): entry for live in of_epochs for entry in live}.values())
        restored = dict(zip(map(id, entries), restore(self._cluster, entries), strict=True))
        for live in of_epochs:
            live.users = [restored[id(entry)] for entry in live.users]
            live.items = [restored[id(entry)] for entry in live.items]


def _bands_of(groups: list[int], group: int) -> list[int]:
    """Return the bands of a group, given the group of each band."""
    return [band for band, of_band in enumerate(groups) if of_band == group]


def _last_rows(steps: list[Step]) -> list[int]:
    """Return the row group that each column group crosses last in an epoch."""
    last = {step.column_group: step.row_group for step in steps}
    return [last[group] for group in range(len(last))]


def _is_finite(state: GroupState) -> bool:
    """Return whether all factors and biases are finite."""
    return bool(np.isfinite(state.factors).all() and np.isfinite(state.bias).all())


def _join(entries: list[GroupState]) -> tuple[Floats, Floats, Floats]:
    """Return the factors, biases and accumulators of all groups."""
    factors, bias, accumulators = (
        np.concatenate([getattr(entry, name) for entry in entries])
        for name in ("factors", "bias", "accumulators")
    )
    return factors, bias, accumulators


def make_cluster_runner(
    schedule: Schedule,
    settings: Settings,
    workers: Workers,  # noqa: ARG001  (those of the cluster run the epochs)
    continuations: tuple[Continuation, Continuation],
) -> ClusterRunner:
    """Prepare epochs over a schedule of standardized ratings on a cluster."""
    return ClusterRunner(schedule, settings, continuations)
