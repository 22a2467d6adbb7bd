"""The training loop: from ratings to factors, epoch by epoch."""

from __future__ import annotations

import logging
import math
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factorate._training import losses, svdpp
from factorate._training import state as state_room
from factorate._training.epochs import Passes, make_passes
from factorate._training.factors import predict
from factorate._training.learning_rates import share
from factorate._training.parallel import thread_pool
from factorate._training.schedule import Schedule, make_schedule
from factorate._training.state import START_WIDTH, State, WarmStart, padded
from factorate.exceptions import DivergenceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from factorate._input.ratings import Ratings
    from factorate._training.factors import Factors
    from factorate._training.learning_rates import Each
    from factorate._training.losses import UpdateRule
    from factorate._utils.types import Floats


RATINGS_PER_PART = 100_000  # that make another thread worth while when ratings are sorted
MAX_HALVINGS = 5
EXPLODED = 2.0  # error of an epoch, in those of the centre or the start, that went too far

logger = logging.getLogger("factorate")


@dataclass(frozen=True)
class Settings:
    """How to train; validated by the model."""

    n_factors: int
    n_epochs: int
    rates: Each
    l2: Each
    l1: Each
    schedule: str
    rule: UpdateRule
    fit_mean: bool
    seed: int
    n_threads: int
    svdpp: bool = False
    rates_name: str = "learning_rate"  # what the user calls them
    patience: int | None = None  # epochs without a better validation loss before training stops


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave.

    Attributes
    ----------
    number
        From 1.
    learning_rate
        Of the users' factors in this epoch.
    train_rmse
        Of the errors before each visit, on the user's scale.
    valid_rmse
        Of the ratings held out, after the epoch; NaN where there are none.
    valid_loss
        Their mean loss on the scale of training, which decides when to stop; likewise.
    seconds
        Since training began.
    """

    number: int
    learning_rate: float
    train_rmse: float
    valid_rmse: float
    valid_loss: float
    seconds: float


@dataclass(frozen=True)
class Trained:
    """What training gave.

    Attributes
    ----------
    factors
        Those after epoch `best`.
    accumulators
        Sums of squared gradients of users and items, where AdaGrad kept them.
    history
        The epochs.
    best
        Number of the epoch whose factors these are: the last, or that of least validation loss.
    interruption
        The KeyboardInterrupt that ended training, if one did.
    """

    factors: Factors
    accumulators: tuple[Floats, Floats] | None
    history: tuple[Epoch, ...]
    best: int
    interruption: KeyboardInterrupt | None


@dataclass(frozen=True)
class _Scale:
    """How ratings become what the kernel learns: (rating − centre) / scale."""

    centre: float
    scale: float
    spread: float  # root mean square of what the kernel learns


@dataclass(frozen=True)
class HeldOut:
    """Ratings held out: rows, −1 for those not in training, values on the user's scale, weights."""

    users: NDArray[np.int32]
    items: NDArray[np.int32]
    values: Floats
    weights: Floats | None = None


@dataclass(frozen=True)
class Validation:
    """Mean loss of the ratings held out, on the scale of training, and RMSE on the user's."""

    loss: float
    rmse: float


def _standardize(schedule: Schedule, settings: Settings, start: WarmStart | None) -> _Scale:
    """Centre and scale the ratings of a schedule in place."""
    values = schedule.ratings[: schedule.n_ratings]
    if start is not None and start.keep_scale:
        centre, scale = start.factors.mean, start.factors.scale
    else:
        weights = schedule.weights if len(schedule.weights) else None
        centre, scale = losses.centre_and_scale(values, settings.rule, settings.fit_mean, weights)
    squares = 0.0
    for first in range(0, len(values), losses.CHUNK):
        part = values[first : first + losses.CHUNK]
        standard = part.astype(np.float64)
        standard -= centre
        standard /= scale
        squares += float(standard @ standard)
        part[:] = standard
    return _Scale(centre, scale, math.sqrt(squares / len(values)))


def _start_width(schedule: Schedule, rule: UpdateRule) -> float:
    """Return the width of the start: products of factors are of the size of the ratings, or less.

    Where nothing is subtracted from the ratings and factors stay ≥ 0, products that begin small
    would take epochs to grow.
    """
    if not rule.nonnegative:
        return START_WIDTH
    mean = float(np.mean(schedule.ratings[: schedule.n_ratings], dtype=np.float64))
    return 2 * math.sqrt(mean) if mean > 0 else START_WIDTH


def _diverged(settings: Settings, number: int) -> DivergenceError:
    rate = max(settings.rates)
    return DivergenceError(
        f"training diverged in epoch {number} of {settings.n_epochs}, also after up to "
        f"{MAX_HALVINGS} times halving {settings.rates_name}={rate:g}; give one below "
        f"{rate / 2**MAX_HALVINGS:.2g}, and see that regularization={max(settings.l2):g} times it "
        f"is far below 1, and that no rating or sample_weight is out of scale"
    )


def _n_parts(ratings: Ratings, settings: Settings) -> int:
    return min(settings.n_threads, 1 + len(ratings.values) // RATINGS_PER_PART)


@dataclass
class _Kept:
    """A copy of the state after some epoch; −1 while there is none, or it is being made."""

    state: State | None = None
    after: int = -1

    def take(self, state: State, epoch: int) -> None:
        self.after = -1
        self.state = state_room.copy(state, self.state)
        self.after = epoch


def _validator(
    held: HeldOut,
    schedule: Schedule,
    shape: tuple[int, int],
    rule: UpdateRule,
    scale: _Scale,
    n_threads: int,
) -> Callable[[State], Validation]:
    """Return what measures a state on the ratings held out."""
    places = []
    # Sums are rounded, so their order must not be that of the input.
    sort = np.lexsort((held.values, held.items, held.users))
    weights = None if held.weights is None else held.weights[sort].astype(np.float64)
    for codes, order, n in (
        (held.users[sort], schedule.user_order, shape[0]),
        (held.items[sort], schedule.item_order, shape[1]),
    ):
        place = np.full(n + 1, -1, np.int32)  # the last stands for −1, an unknown row
        place[order] = np.arange(len(order), dtype=np.int32)
        places.append(place[codes])
    wanted = (held.values[sort].astype(np.float64) - scale.centre) / scale.scale

    def validate(state: State) -> Validation:
        predicted = predict(state_room.view(state), places[0], places[1], n_threads)
        squares = np.square(wanted - predicted)
        rmse = scale.scale * math.sqrt(float(np.average(squares, weights=weights)))
        return Validation(losses.mean_loss(rule, wanted, predicted, weights), rmse)

    return validate


def _squared_error(state: State, schedule: Schedule, n_threads: int) -> float:
    """Return the squared error of a state on the ratings of a schedule."""
    n = schedule.n_ratings
    predicted = predict(state_room.view(state), schedule.users[:n], schedule.items[:n], n_threads)
    error = np.subtract(predicted, schedule.ratings[:n], dtype=np.float64)
    return float(error @ error)


def _is_true(answer: object) -> bool:
    return isinstance(answer, bool | np.bool) and bool(answer)


def _epochs(
    passes: Passes,
    settings: Settings,
    state: State,
    begin: Callable[[], State],
    validate: Callable[[State], Validation] | None,
    limit: float,
    history: list[Epoch],
    before: _Kept,
) -> Iterator[tuple[int, float, float, Validation | None]]:
    """Move the state epoch by epoch; yield number, rate, squared error and validation of each.

    An epoch that goes wrong is taken back, and tried again at half the rate. If it does so twice
    in a row, what it began from was spoilt already, and all begins anew.
    """
    damping, failures, failed = 1.0, 0, 0
    number = 1
    while number <= settings.n_epochs:
        before.take(state, len(history))
        epoch_share = share(settings.schedule, number, settings.n_epochs) * damping
        squared = passes.run_epoch(state, number, epoch_share)
        validation = validate(passes.complete(state)) if validate else None
        # The error is measured before each visit, so nobody has seen what the last steps did.
        unseen = number == settings.n_epochs and not state_room.is_finite(state)
        if squared <= limit and not unseen and (not validation or math.isfinite(validation.loss)):
            yield number, settings.rates[0] * epoch_share, squared, validation
            number += 1
            continue
        failures, damping = failures + 1, damping / 2
        if failures > MAX_HALVINGS:
            raise _diverged(settings, number)
        if failures == 1:
            logger.warning(
                "training diverged in epoch %d of %d; going back, with half the learning rate",
                number, settings.n_epochs,
            )  # fmt: skip
        if number == failed:
            history.clear()
            state_room.copy(begin(), state)
            number = 1
        else:
            assert before.state is not None  # noqa: S101  (taken above)
            state_room.copy(before.state, state)
            failed = number


def train(
    ratings: Ratings,
    settings: Settings,
    callbacks: Sequence[Callable[[Epoch], object]] = (),
    *,
    weights: Floats | None = None,
    held: HeldOut | None = None,
    start: WarmStart | None = None,
) -> Trained:
    """Train from a random start, or from what was learnt before.

    Parameters
    ----------
    ratings
        At least one rating.
    settings
        Valid settings.
    callbacks
        Called after each epoch; one that returns True ends training.
    weights
        Weight of each rating, in the dtype of the ratings; None for 1.
    held
        Ratings to validate on.
    start
        What to go on from.

    Returns
    -------
    Trained
        If a KeyboardInterrupt came after the first epoch, it is in `interruption`, and the factors
        are those of the last whole epoch.

    Raises
    ------
    DivergenceError
        If an epoch's error is not finite, or explodes, and halving the rate five times is no help.
    KeyboardInterrupt
        If it came before the end of the first epoch.
    """
    began = time.perf_counter()
    shape = len(ratings.user_index.ids), len(ratings.item_index.ids)
    n_factors, rule = settings.n_factors, settings.rule
    history: list[Epoch] = []
    interruption = None
    before, best, least = _Kept(), _Kept(), math.inf
    with thread_pool(settings.n_threads) as pool:
        n, length = len(ratings.values), padded(n_factors)
        schedule = make_schedule(
            ratings.users, ratings.items, ratings.values, *shape, length, settings.seed,
            _n_parts(ratings, settings), map if pool is None else pool.map, weights,
            svdpp.bands(n, length) if settings.svdpp else None,
        )  # fmt: skip
        scale = _standardize(schedule, settings, start)
        passes = make_passes(schedule, settings, pool)

        def begin() -> State:
            return passes.begin(_start_width(schedule, rule), scale.scale, start)

        state = begin()
        validate = None
        if held is not None:
            validate = _validator(held, schedule, shape, rule, scale, settings.n_threads)
        limit = schedule.n_ratings * max(1.0, scale.spread) ** 2
        if start is not None:
            limit = max(limit, _squared_error(state, schedule, settings.n_threads))
        limit *= EXPLODED**2
        if rule.loss in losses.TWO_VALUED:
            limit = sys.float_info.max  # margins may well grow
        try:
            for number, rate, squared, validation in _epochs(
                passes, settings, state, begin, validate, limit, history, before
            ):
                train_rmse = scale.scale * math.sqrt(squared / schedule.n_ratings)
                valid = (validation.rmse, validation.loss) if validation else (math.nan, math.nan)
                seconds = time.perf_counter() - began
                history.append(Epoch(number, rate, train_rmse, *valid, seconds))
                enough = [_is_true(callback(history[-1])) for callback in callbacks]
                if settings.patience is not None and validation:
                    if number == 1 or validation.loss < least:
                        least = validation.loss
                        best.take(state, number)
                    enough.append(number - best.after >= settings.patience)
                if any(enough):
                    break
        except KeyboardInterrupt as error:
            if not history:
                raise
            interruption = error
            # Within an epoch the state is neither here nor there.
            if before.state is not None and before.after == len(history):
                state = before.state
        if best.state is not None and best.after > 0:
            state = best.state
        passes.complete(state)
    factors = state_room.to_factors(state, schedule, shape, n_factors, scale.centre, scale.scale)
    # Only the last of all epochs was checked for what its last steps did.
    if not state_room.is_finite(state):
        raise interruption or _diverged(settings, len(history))
    return Trained(
        factors,
        state_room.to_accumulators(state, schedule, shape, n_factors) if rule.adagrad else None,
        tuple(history),
        best.after if best.after > 0 else len(history),
        interruption,
    )
