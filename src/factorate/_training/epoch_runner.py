"""EpochRunner: updates the parameters once for every rating, on one thread or several."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from factorate._training.block_order import block_order, crossings
from factorate._training.block_updater import Rows, block_updater, needs_general_kernel
from factorate._training.packed_ratings import checksum
from factorate._training.ratings_on_disk import open_blocks
from factorate._training.row_constants import make_row_constants, plain_columns, svdpp_decay
from factorate._training.schedule import iterate_blocks
from factorate._training.squared_errors import squared_errors
from factorate._training.state import copy_state, initial_state, is_finite, view_factors
from factorate._training.svdpp import epoch_tasks, make_svdpp_terms
from factorate._utils.workers import Dependencies, Workers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factorate._training.block_updater import Update
    from factorate._training.continuation import Continuation
    from factorate._training.factors import WarmStart
    from factorate._training.row_constants import RowConstants
    from factorate._training.scale import Scale
    from factorate._training.schedule import Schedule
    from factorate._training.settings import Settings
    from factorate._training.state import State
    from factorate._training.svdpp import SvdppTerms


@dataclass(frozen=True, kw_only=True)
class EpochRunner:
    """Runs epochs over a schedule of standardized ratings.

    Attributes
    ----------
    schedule : Schedule
        The ratings.
    settings : Settings
        Settings of training.
    workers : Workers
        The threads.
    svdpp_terms : SvdppTerms or None
        The SVD++ terms, if the model has them.
    continuations : tuple of Continuation
        How the rows of users and items continue earlier training.
    dependencies : Dependencies
        Which blocks have to wait for which: the same in each epoch, whose bands have another order.
    """

    schedule: Schedule
    settings: Settings
    workers: Workers
    svdpp_terms: SvdppTerms | None
    continuations: tuple[Continuation, Continuation]
    dependencies: Dependencies

    def begin(self, scale: Scale, warm_start: WarmStart | None) -> State:
        """Return the state before the first epoch."""
        general = _needs_general_kernel(self.schedule, self.settings)
        state = initial_state(
            self.schedule,
            self.settings,
            scale,
            self.continuations,
            warm_start,
            with_accumulators=general,
        )
        if self.svdpp_terms is None:
            return state
        return self.svdpp_terms.begin(state, scale, warm_start)

    def run(self, state: State, number: int, factor: float) -> float:
        """Run one epoch.

        Parameters
        ----------
        state : State
            The parameters, which are changed. With SVD++ terms, `complete` makes them consistent.
        number : int
            Number of the epoch, which decides the order of the blocks.
        factor : float
            Factor of the learning rates.

        Returns
        -------
        float
            Sum of the squared errors, each before its update.
        """
        schedule, settings = self.schedule, self.settings
        scales = self.continuations[0].scales, self.continuations[1].scales
        constants = make_row_constants(schedule, settings, factor, scales, self.workers)
        if self.svdpp_terms is None:
            blocks = block_order(schedule.n_bands, settings.seed, number)
            with (
                open_blocks(schedule.own_ratings, schedule.block_tiles, blocks) as opened,
                _block_updater(schedule, settings, state, constants, self.workers) as update,
            ):

                def update_block(block: int) -> float:
                    with opened.opened(block) as tiles:
                        return update(*tiles)

                return sum(self.workers.run_tasks(blocks, self.dependencies, update_block))
        decay = svdpp_decay(constants, schedule, settings, factor * scales[1])
        constants.users[:, 1] = 0.0  # the phase distribute applies the penalty of user factors
        tasks = epoch_tasks(schedule, settings.seed, number)
        ratings, first_tiles = schedule.packed, schedule.block_tiles.tolist()
        with _block_updater(schedule, settings, state, constants, self.workers) as update:

            def update_tiles(block: int) -> float:
                return update(ratings, *first_tiles[block : block + 2])

            return self.svdpp_terms.run_epoch(state, tasks, decay, update_tiles)

    def copy(self, state: State, target: State | None = None) -> State:
        """Copy a state, into another if one is given, and return the copy."""
        return copy_state(state, target, self.workers)

    def is_finite(self, state: State) -> bool:
        """Return whether all parameters are finite."""
        return is_finite(state)

    def fetch(self, state: State) -> State:
        """Return the parameters of a state, which are those of this process."""
        return state

    def send(self, state: State) -> State:
        """Return the state with the given parameters."""
        return state

    def squared_error(self, state: State) -> float:
        """Return the sum of the squared errors of a state."""
        factors, schedule, squared = view_factors(state), self.schedule, 0.0
        blocks = list(range(len(schedule.block_tiles) - 1))
        with open_blocks(schedule.own_ratings, schedule.block_tiles, blocks) as opened:
            for block in blocks:
                with opened.opened(block) as tiles:
                    for chunk in squared_errors(factors, *tiles, self.settings.n_threads):
                        squared += chunk
        return squared

    def block_checksums(self) -> list[int]:
        """Return the checksum of the ratings of each block, in row-major order."""
        return [checksum(*block) for block in iterate_blocks(self.schedule)]

    def complete(self, state: State) -> None:
        """Add the SVD++ terms to the user factors, as predictions require."""
        if self.svdpp_terms is not None:
            self.svdpp_terms.combine(state)


def make_epoch_runner(
    schedule: Schedule,
    settings: Settings,
    workers: Workers,
    continuations: tuple[Continuation, Continuation],
) -> EpochRunner:
    """Prepare epochs over a schedule of standardized ratings."""
    workers = Workers(min(workers.n_threads, *schedule.n_bands))  # no more blocks run at a time
    pairs = crossings(*(list(range(n)) for n in schedule.n_bands))
    terms = make_svdpp_terms(schedule, settings, workers) if settings.svdpp else None
    return EpochRunner(
        schedule=schedule,
        settings=settings,
        workers=workers,
        svdpp_terms=terms,
        continuations=continuations,
        dependencies=Dependencies(pairs),
    )


@contextmanager
def _block_updater(
    schedule: Schedule,
    settings: Settings,
    state: State,
    constants: RowConstants,
    workers: Workers,
) -> Iterator[Update]:
    """Give a function that runs the updates of some tiles and returns their squared error."""
    general = _needs_general_kernel(schedule, settings)
    users, items = constants
    if not general:
        users = plain_columns(users, state.user_bias, workers)
        items = plain_columns(items, state.item_bias, workers)
    yield block_updater(
        settings,
        Rows(state.P, users, state.user_bias, state.user_accumulators),
        Rows(state.Q, items, state.item_bias, state.item_accumulators),
        general=general,
    )
    if not general:
        state.user_bias[:], state.item_bias[:] = users[:, 0], items[:, 0]


def _needs_general_kernel(schedule: Schedule, settings: Settings) -> bool:
    return needs_general_kernel(settings, weighted=len(schedule.ratings.weights) > 0)
