"""How an epoch is run: the kernel on the blocks of a schedule, on one thread or several."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from factorate._kernels import dispatch
from factorate._kernels.plain import LOOKAHEAD
from factorate._training import state as state_room
from factorate._training import svdpp
from factorate._training.parallel import run_tasks
from factorate._training.schedule import visits
from factorate._training.state import padded

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import ThreadPoolExecutor
    from typing import Any

    from factorate._training.parallel import Bands
    from factorate._training.schedule import Schedule
    from factorate._training.state import State, WarmStart
    from factorate._training.trainer import Settings
    from factorate._utils.types import Floats


T = TypeVar("T")


@dataclass(frozen=True)
class Passes:
    """All that stays the same from epoch to epoch."""

    schedule: Schedule
    settings: Settings
    pool: ThreadPoolExecutor | None
    terms: svdpp.Terms | None

    def begin(self, width: float, scale: float, start: WarmStart | None) -> State:
        """Return the state before the first epoch; see `state.begin`."""
        schedule, settings = self.schedule, self.settings
        initial_accumulator = float(settings.n_factors) if _is_general(schedule, settings) else None
        state = state_room.begin(
            schedule, settings.n_factors, width, settings.seed, initial_accumulator, scale, start
        )
        if self.terms is None:
            return state
        return svdpp.begin(state, schedule, self.terms, start, scale, self._run)

    def run_epoch(self, state: State, number: int, share: float) -> float:
        """Run one epoch at a share of the learning rate; return the squared error."""
        schedule, settings = self.schedule, self.settings
        steps = _steps(settings, share, state.P.dtype)
        keep = max(0.0, 1 - float(steps[0, 0] * steps[0, 1]))
        if self.terms is not None:
            steps[0, 1] = 0  # L2 of user factors is applied with the SVD++ terms
        visit = _visitor(schedule, state, settings, steps)
        if self.terms is not None:
            tasks = svdpp.tasks(self.terms, schedule.n_bands, settings.seed, number)
            return svdpp.run_epoch(state, schedule, self.terms, keep, tasks, visit, self._run)
        order = visits(schedule.n_bands, settings.seed, number)
        bands: list[Bands] = [divmod(block, schedule.n_bands[1]) for block in order]
        return sum(self._run(order, bands, visit))

    def complete(self, state: State) -> State:
        """Make P what predictions take; epochs may leave that for later."""
        if self.terms is not None:
            svdpp.lift(state, self.schedule, self.terms, self._run)
        return state

    def _run(self, order: list[T], bands: list[Bands], task: Callable[[T], float]) -> list[float]:
        if self.pool is None or min(self.schedule.n_bands) == 1:
            return [task(entry) for entry in order]
        return run_tasks(self.pool, self.settings.n_threads, order, bands, task)


def make_passes(schedule: Schedule, settings: Settings, pool: ThreadPoolExecutor | None) -> Passes:
    """Prepare epochs over the ratings of a schedule."""
    length = padded(settings.n_factors)
    terms = svdpp.make_terms(schedule, length) if settings.svdpp else None
    return Passes(schedule, settings, pool, terms)


def _visitor(
    schedule: Schedule, state: State, settings: Settings, steps: Floats
) -> Callable[[int], float]:
    """Return the function that visits the ratings of one block and returns its squared error."""
    starts = schedule.block_starts.tolist()
    rows = state.P, state.Q, state.user_bias, state.item_bias
    rule = _kernel_rule(settings, steps)

    def visit(block: int) -> float:
        part, ahead = _part(starts, block)
        return dispatch.plain.train(
            schedule.users[ahead], schedule.items[ahead], schedule.ratings[part], *rows, rule
        )

    def visit_generally(block: int) -> float:
        part, _ = _part(starts, block)
        return dispatch.general.train(
            schedule.users[part], schedule.items[part], schedule.ratings[part],
            schedule.weights[part], *rows, state.user_accumulators, state.item_accumulators, rule,
        )  # fmt: skip

    return visit_generally if _is_general(schedule, settings) else visit


def _part(starts: list[int], block: int) -> tuple[slice, slice]:
    """Return the ratings of a block, and the same with those that the kernel looks ahead at."""
    begin, end = starts[block], starts[block + 1]
    return slice(begin, end), slice(begin, end + LOOKAHEAD)


def _kernel_rule(settings: Settings, steps: Floats) -> dict[str, object]:
    """Return the rule as the kernels take it (_kernels/rule.pxd)."""
    rule = settings.rule
    rate, l2, l1 = steps.T.tolist()
    return {
        "rate": rate,
        "l2": l2,
        "l1": l1,
        "loss": rule.code,
        "loss_parameter": rule.width,
        "minimum": rule.minimum,
        "proximal": rule.nonnegative or any(settings.l1),
        "adagrad": rule.adagrad,
        "fit_bias": rule.fit_bias,
    }


def _is_general(schedule: Schedule, settings: Settings) -> bool:
    rule = settings.rule
    return (
        rule.loss != "squared" or rule.adagrad or rule.nonnegative or any(settings.l1)
        or len(schedule.weights) > 0
    )  # fmt: skip


def _steps(settings: Settings, share: float, dtype: np.dtype[Any]) -> Floats:
    """Return rate, L2 and L1 of user factors, item factors, user biases and item biases.

    AdaGrad sums squares over the K factors of a row and divides by the root of the sum, so its
    rate carries √K.
    """
    rates = np.array(settings.rates) * share
    if settings.rule.adagrad:
        rates[:2] *= math.sqrt(settings.n_factors)
    return np.stack([rates, settings.l2, settings.l1], axis=1).astype(dtype)
