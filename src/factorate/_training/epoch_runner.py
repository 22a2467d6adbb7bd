"""EpochRunner: updates the parameters once for every rating, on one thread or several."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from factorate._kernels import dispatch
from factorate._training.block_order import block_order, crossings
from factorate._training.ratings_on_disk import open_blocks
from factorate._training.row_constants import make_row_constants, plain_columns, svdpp_decay
from factorate._training.state import initial_state
from factorate._training.svdpp import epoch_tasks, make_svdpp_terms
from factorate._utils.workers import Dependencies, Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from factorate._training.continuation import Continuation
    from factorate._training.factors import WarmStart
    from factorate._training.packed_ratings import PackedRatings
    from factorate._training.row_constants import RowConstants
    from factorate._training.scale import Scale
    from factorate._training.schedule import Schedule
    from factorate._training.settings import Settings
    from factorate._training.state import State
    from factorate._training.svdpp import SvdppTerms


# The plain kernel multiplies the rates of factors by this ratio, which may overflow in float32.
MAX_BIAS_RATIO = 1e6


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
                open_blocks(schedule.ratings, schedule.block_tiles, blocks) as opened,
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
) -> Iterator[Callable[[PackedRatings, int, int], float]]:
    """Give a function that runs the updates of some tiles and returns their squared error."""
    if _needs_general_kernel(schedule, settings):
        rule = _kernel_rule(settings)
        biases = state.user_bias, state.item_bias
        accumulators = state.user_accumulators, state.item_accumulators
        arrays = state.P, state.Q, *biases, *constants, *accumulators

        def update_general(ratings: PackedRatings, first: int, end: int) -> float:
            return dispatch.general.train(ratings, first, end, *arrays, rule)

        yield update_general
        return
    users = plain_columns(constants.users, state.user_bias, workers)
    items = plain_columns(constants.items, state.item_bias, workers)
    rates = settings.rates
    user_ratio = item_ratio = 0.0  # without biases, they stay 0
    if settings.rule.fit_bias:
        user_ratio = rates.user_bias / rates.user_factors
        item_ratio = rates.item_bias / rates.item_factors

    def update(ratings: PackedRatings, first: int, end: int) -> float:
        rows = state.P, state.Q, users, items
        return dispatch.plain.train(ratings, first, end, *rows, user_ratio, item_ratio)

    yield update
    state.user_bias[:], state.item_bias[:] = users[:, 0], items[:, 0]


def _kernel_rule(settings: Settings) -> dict[str, object]:
    """Return the parameters of a general update: the struct Rule in rule.pxd."""
    rule = settings.rule
    return {
        "l1": settings.l1,
        "loss": rule.loss_number,
        "loss_parameter": rule.loss_parameter,
        "minimum": rule.minimum,
        "proximal": rule.nonnegative or any(settings.l1),
        "adagrad": rule.adagrad,
        "fit_bias": rule.fit_bias,
    }


def _needs_general_kernel(schedule: Schedule, settings: Settings) -> bool:
    """Return whether updates need the general kernel, which is half as fast as the plain one."""
    rule, rates = settings.rule, settings.rates
    is_special = rule.loss != "squared" or rule.adagrad or rule.nonnegative
    is_far = any(rates[kind + 2] >= MAX_BIAS_RATIO * rates[kind] for kind in range(2))
    return is_special or is_far or any(settings.l1) or len(schedule.ratings.weights) > 0
